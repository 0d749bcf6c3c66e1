import asyncio
import base64
import gc
import json
import pickle
import threading
import types
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat
from joserfc import jwt as jose_jwt
from joserfc.jwk import import_key, thumbprint

from broker.keys.algorithms import choose
from broker.keys.local import LocalSigner, seal
from broker.keys.parse import parse
from broker.keys.private import PrivateKey, UnusableError
from key_forms import (
    ALGORITHMS,
    KINDS_IN_FORMS,
    PASSPHRASE,
    an_assertion,
    decoded,
    in_form,
    jwk,
    native,
    pem,
    private_members,
    public_members,
    segments,
    verifies,
)


def signer_of(content: bytes, algorithm: str | None = None, kid: str | None = None) -> LocalSigner:
    key = parse(content, passphrase=PASSPHRASE)
    return seal(key, algorithm=choose(key, configured=algorithm, allowed=(), provider="generic"), kid=kid)


def a_jwk(kind: str, **members: object) -> bytes:
    return json.dumps(jwk(native(kind), **members)).encode()


def verified_with_the_signer_s_key(key: Any, made: str) -> object:
    return jose_jwt.decode(made, key, algorithms=[key.alg]).claims


@pytest.mark.parametrize(("kind", "form"), KINDS_IN_FORMS)
async def test_a_key_in_any_form_signs_what_its_public_half_verifies(kind: str, form: str) -> None:
    for algorithm in (name for name, fits in ALGORITHMS.items() if fits == kind):
        signer = signer_of(in_form(native(kind), form), algorithm, "k1")
        made = await an_assertion(signer)
        assert segments(made)[0] == {"alg": algorithm, "kid": "k1", "typ": "JWT"}
        assert verifies(public_members(native(kind)), made)
        assert jose_jwt.decode(made, import_key(dict(signer.public_jwk)), algorithms=[algorithm]).claims["iss"] == "c"
        assert await signer.sign(verified_with_the_signer_s_key, made) == segments(made)[1]


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521", "Ed25519"])
def test_the_public_jwk_has_kid_use_alg_and_nothing_private(kind: str) -> None:
    signer = signer_of(a_jwk(kind), kid="k1")
    assert signer.public_jwk == {**public_members(native(kind)), "use": "sig", "alg": signer.algorithm, "kid": "k1"}
    assert "kid" not in signer_of(a_jwk(kind)).public_jwk


def test_public_members_are_written_canonically_whatever_the_file_wrote() -> None:
    padded = {name: "AAAA" + value for name, value in public_members(native("RSA")).items() if name in {"n", "e"}}
    assert signer_of(a_jwk("RSA", **padded)).public_jwk["n"] == public_members(native("RSA"))["n"]


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521", "Ed25519"])
def test_the_thumbprint_is_rfc_7638_s(kind: str) -> None:
    assert signer_of(pem(native(kind)), kid="k1").thumbprint == thumbprint(public_members(native(kind)))


def test_the_thumbprint_of_rfc_8037_s_example() -> None:
    example = {
        "kty": "OKP",
        "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }
    assert signer_of(json.dumps(example).encode()).thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


async def test_only_large_rsa_keys_leave_the_loop_s_thread() -> None:
    def thread(_key: object) -> int:
        return threading.get_ident()

    here = threading.get_ident()
    assert await signer_of(a_jwk("RSA")).sign(thread) == here
    assert await signer_of(a_jwk("P-521")).sign(thread) == here
    assert await signer_of(pem(native("RSA", bits=3072))).sign(thread) != here


async def test_arguments_and_errors_pass_through() -> None:
    def make(_key: object, a: int, *, b: int) -> int:
        return a // b

    for signer in (signer_of(a_jwk("P-256")), signer_of(pem(native("RSA", bits=3072)))):
        assert await signer.sign(make, 6, b=2) == 3
        with pytest.raises(ZeroDivisionError):
            await signer.sign(make, 6, b=0)


CORRUPT: dict[str, dict[str, str]] = {
    "x of another Ed25519 key": {**jwk(native("Ed25519")), "x": public_members(native("Ed25519", 1))["x"]},
    "d and dp of another RSA key": {
        **jwk(native("RSA")),
        "d": private_members(native("RSA", 1))["dp"],
        "dp": private_members(native("RSA", 1))["dp"],
    },
    "another e": {**jwk(native("RSA")), "e": "AQAD"},
}


@pytest.mark.parametrize("case", CORRUPT)
def test_a_key_that_does_not_sign_for_its_public_half_is_refused(case: str) -> None:
    with pytest.raises(UnusableError, match="does not verify what the key signs"):
        signer_of(json.dumps(CORRUPT[case]).encode())


def test_a_pem_with_an_even_exponent_is_refused() -> None:
    _, *lines, _ = pem(native("RSA"), PrivateFormat.TraditionalOpenSSL).splitlines()
    octets = base64.b64decode(b"".join(lines)).replace(b"\x02\x03\x01\x00\x01", b"\x02\x03\x01\x00\x02")
    framed = b"-----BEGIN RSA PRIVATE KEY-----\n%s-----END RSA PRIVATE KEY-----\n" % base64.encodebytes(octets)
    with pytest.raises(UnusableError, match="does not verify what the key signs"):
        signer_of(framed)


def test_a_public_half_that_openssl_does_not_take_is_refused() -> None:
    key = native("RSA")
    assert isinstance(key, rsa.RSAPrivateKey)
    public = rsa.RSAPublicNumbers(3, (1 << 20000) + 1).public_key()
    with pytest.raises(UnusableError, match="damaged"):
        seal(PrivateKey(native=key, public=public), algorithm="RS256", kid=None)


def reachable(root: object) -> list[object]:
    """Everything that hangs on `root`, without the code."""
    seen: dict[int, object] = {}
    queue: list[object] = [root]
    while queue:
        thing = queue.pop()
        if id(thing) in seen or isinstance(thing, type | types.ModuleType | types.FunctionType):
            continue
        seen[id(thing)] = thing
        queue.extend(gc.get_referents(thing))
    return list(seen.values())


def holds_private(things: list[object], kind: str) -> bool:
    members = private_members(native(kind)).values()
    numbers = {int.from_bytes(decoded(value), "big") for value in members}
    for thing in things:
        if isinstance(thing, int) and thing in numbers:
            return True
        if isinstance(thing, str | bytes | bytearray):
            text = thing if isinstance(thing, str) else bytes(thing).decode("latin-1")
            if "PRIVATE KEY" in text or any(value[:16] in text for value in members):
                return True
    return False


@pytest.mark.parametrize(("kind", "form"), KINDS_IN_FORMS)
async def test_nothing_private_stays_in_python_s_memory_after_use(kind: str, form: str) -> None:
    signer = signer_of(in_form(native(kind), form), kid="k1")
    await an_assertion(signer)
    assert holds_private(reachable(jwk(native(kind))), kind)  # the search would find it
    assert not holds_private(reachable(signer), kind)


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519"])
async def test_nobody_gets_the_private_half_out(kind: str) -> None:
    signer = signer_of(a_jwk(kind), kid="k1")

    def export(key: Any) -> list[str]:
        # The public half again: joserfc knows nothing else.
        return [json.dumps(key.as_dict(private=True)), json.dumps(key.dict_value), repr(key), repr(key.private_key)]

    private = private_members(native(kind)).values()
    for shown in [*await signer.sign(export), repr(signer), str(signer)]:
        assert not [value for value in private if value[:8] in shown]
    with pytest.raises(AttributeError):
        await signer.sign(lambda key: key.as_pem(private=True))
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(signer)


def test_signing_in_many_threads_at_once_is_sound() -> None:
    signer = signer_of(pem(native("RSA", bits=3072)))

    async def many() -> list[str]:
        return await asyncio.gather(*(an_assertion(signer) for _ in range(20)))

    made = asyncio.run(many())
    assert all(verifies(signer.public_jwk, each) for each in made)
    assert len({segments(each)[1]["jti"] for each in made}) == 20
