"""Whatever befalls a key file, it is refused with a sentence, or signs what its public half verifies."""

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from broker.keys.algorithms import choose
from broker.keys.local import LocalSigner, seal
from broker.keys.parse import parse
from broker.keys.pem import PemFailure, _loaded
from broker.keys.private import UnusableError
from key_forms import (
    ALGORITHMS,
    CURVES,
    KINDS,
    KINDS_IN_FORMS,
    PASSPHRASE,
    an_assertion,
    b64,
    in_form,
    jwk,
    native,
    public_members,
    verifies,
)


def signer_or_sentence(content: bytes, configured: str | None = None) -> LocalSigner | UnusableError:
    try:
        key = parse(content, passphrase=PASSPHRASE)
        algorithm = choose(key, configured=configured, allowed=(), provider="generic")
        return seal(key, algorithm=algorithm, kid=key.kid)
    except UnusableError as error:
        return error


def judge(content: bytes, configured: str | None = None) -> bool:
    """Whether the content gives a signer, after a look at whether that, or the refusal, is sound."""
    found = signer_or_sentence(content, configured)
    if isinstance(found, LocalSigner):
        assert verifies(found.public_jwk, asyncio.run(an_assertion(found)))
        return True
    assert str(found).isprintable()
    assert len(str(found)) < 300
    assert (found.__cause__, found.__context__) == (None, None)
    return False


@settings(max_examples=60)
@given(st.sampled_from(sorted(ALGORITHMS)), st.sampled_from(KINDS_IN_FORMS), st.integers(0, 1))
def test_every_fitting_algorithm_and_form_signs(algorithm: str, kind_in_form: tuple[str, str], number: int) -> None:
    kind, form = kind_in_form
    fits = ALGORITHMS[algorithm] == kind
    assert judge(in_form(native(kind, number), form), algorithm) is fits


@settings(max_examples=400)
@given(
    st.sampled_from(KINDS_IN_FORMS),
    st.floats(0, 1),
    st.integers(0, 80),
    st.binary(max_size=20) | st.text('AZaz09+/=-_ \n"{}\\', max_size=20).map(str.encode),
)
def test_a_file_with_other_bytes_somewhere(kind_in_form: tuple[str, str], at: float, length: int, other: bytes) -> None:
    content = in_form(native(kind_in_form[0]), kind_in_form[1])
    start = int(at * len(content))
    judge(content[:start] + other + content[start + length :])


@settings(max_examples=400)
@given(
    st.sampled_from([(kind, form) for kind, form in KINDS_IN_FORMS if not form.startswith("jwk")]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    st.integers(0, 3),
)
def test_a_pem_with_other_octets_inside(
    kind_in_form: tuple[str, str], changes: list[tuple[float, int]], missing: int
) -> None:
    lines = in_form(native(kind_in_form[0]), kind_in_form[1]).decode().splitlines()
    header = [line for line in lines if ":" in line]
    octets = bytearray(base64.b64decode("".join(line for line in lines[1:-1] if line not in header)))
    for at, octet in changes:
        octets[int(at * len(octets))] = octet
    body = base64.encodebytes(octets[: len(octets) - missing]).decode()
    judge("\n".join([lines[0], *header, *([""] if header else []), body + lines[-1], ""]).encode())


@pytest.mark.parametrize("iv", ["", "00", "0" * 31, "0" * 16, "0" * 30 + "zz"])
def test_an_encrypted_pem_with_a_damaged_iv_is_refused_quietly(iv: str, capfd: pytest.CaptureFixture[str]) -> None:
    content = in_form(native("RSA"), "encrypted traditional").decode()
    damaged = re.sub("(DEK-Info: [A-Z0-9-]+,).*", rf"\g<1>{iv}", content)
    assert damaged != content
    assert not judge(damaged.encode())
    assert capfd.readouterr().err == ""  # a panic in Rust would have written there


def test_a_panic_in_rust_is_a_damaged_file_as_well() -> None:
    content = in_form(native("RSA"), "encrypted traditional").decode()
    damaged = re.sub("(DEK-Info: [A-Z0-9-]+,).*", r"\g<1>00", content)
    assert _loaded(load_pem_private_key, damaged.encode(), PASSPHRASE) is PemFailure.DAMAGED


def test_an_interruption_is_not_taken_for_a_damaged_file() -> None:
    def interrupted(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _loaded(interrupted, b"", None)


@settings(max_examples=100)
@given(st.sampled_from(KINDS_IN_FORMS), st.floats(0, 1))
def test_a_file_that_was_cut_off_is_refused(kind_in_form: tuple[str, str], at: float) -> None:
    content = in_form(native(kind_in_form[0]), kind_in_form[1]).strip()
    length = int(at * len(content))
    assume(length < len(content))
    assert not judge(content[:length])


@settings(max_examples=100)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_anything_else_is_refused(content: bytes) -> None:
    assert not judge(content)


NUMBERS = ("n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def a_number(members: Mapping[str, Any]) -> st.SearchStrategy[object]:
    """Another member's value, one with a digit changed, small and large ones, or nonsense."""

    def changed(value: str, at: int, digit: str) -> str:
        at %= len(value)
        return value[:at] + digit + value[at + 1 :]

    written = st.sampled_from([members[name] for name in NUMBERS if name in members])
    digits = st.sampled_from("ABCDQgw_-")
    return written | st.builds(changed, written, st.integers(0, 400), digits) | st.binary(max_size=300).map(b64) | JSON


@st.composite
def changed_jwks(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(KINDS))
    members = jwk(native(kind), kid="k1")
    numbers = a_number(dict(members))
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*members, "use", "key_ops", "alg", "oth", "crv", "kty", "kid"]))
        values = numbers if name in NUMBERS else JSON | st.sampled_from(["RSA", "EC", "OKP", *CURVES, "sig"])
        members[name] = draw(values)
    if draw(st.booleans()):
        members = {"keys": [members, *draw(st.lists(JSON | st.just(public_members(native(kind))), max_size=2))]}
    return json.dumps(members).encode()


@settings(max_examples=800)
@given(changed_jwks())
def test_a_jwk_with_other_members(content: bytes) -> None:
    judge(content)
