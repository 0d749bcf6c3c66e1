import base64
import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from broker.keys.parse import parse
from broker.keys.private import PrivateKey, UnusableError
from each_case import for_each
from key_forms import (
    FORMS,
    KINDS,
    KINDS_IN_FORMS,
    PASSPHRASE,
    Native,
    in_form,
    jwk,
    native,
    pem,
    private_members,
    public_members,
)

RSA = native("RSA")
EC = native("P-256")
RSA_PEM = pem(RSA).decode()


def the_same(found: PrivateKey, key: Native) -> bool:
    return pem(found.native) == pem(key)


def refusal(content: bytes | str, **how: Any) -> str:
    """The sentence, once it is certain that nothing of the content hangs on the error that carries it."""
    with pytest.raises(UnusableError) as caught:
        parse(content.encode() if isinstance(content, str) else content, **how)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    told = "".join(traceback.format_exception(error))
    for key in (RSA, EC, native("Ed25519")):
        assert not [value for value in private_members(key).values() if value[:8] in told and len(value) > 8]
    assert PASSPHRASE.decode() not in told
    return str(error)


@for_each(("kind", "form"), KINDS_IN_FORMS)
def test_every_form_gives_the_key_that_was_written(kind: str, form: str) -> None:
    key = native(kind)
    content = in_form(key, form)
    found = parse(content, passphrase=PASSPHRASE if form.startswith("encrypted") else None)
    assert the_same(found, key)
    assert found.kind == kind


SLIPS: dict[str, Callable[[str], str | bytes]] = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "indented": lambda text: text.replace("\n", "\n    "),
    "blank lines around": lambda text: f"\n\n  {text}\n\n",
    "base64 of it": lambda text: base64.b64encode(text.encode()),
    "base64 of it in lines": lambda text: base64.encodebytes(text.encode()),
}
PEM_SLIPS: dict[str, Callable[[str], str | bytes]] = {
    "backslash n": lambda text: text.replace("\n", "\\n"),
    "backslash r backslash n": lambda text: text.replace("\n", "\\r\\n"),
    "quoted backslash n": json.dumps,
}


@for_each("slip", SLIPS)
@for_each(("kind", "form"), KINDS_IN_FORMS)
def test_what_copying_leaves_behind_is_tolerated(slip: str, kind: str, form: str) -> None:
    content = in_form(native(kind), form)
    slipped = SLIPS[slip](content.decode())
    slipped = slipped.encode() if isinstance(slipped, str) else slipped
    assert the_same(parse(slipped, passphrase=PASSPHRASE), native(kind))


@for_each("slip", PEM_SLIPS)
@for_each("form", [form for form in FORMS if not form.startswith("jwk")])
def test_line_ends_that_were_written_out_are_line_ends(slip: str, form: str) -> None:
    content = in_form(RSA, form)
    slipped = PEM_SLIPS[slip](content.decode())
    assert the_same(parse(str(slipped).encode(), passphrase=PASSPHRASE), RSA)


def test_a_pem_on_one_line_is_read() -> None:
    assert the_same(parse(RSA_PEM.replace("\n", " ").encode()), RSA)


def test_members_with_white_space_and_padding_are_read() -> None:
    members = jwk(RSA)
    spoilt = {name: f" {value[:20]}\n {value[20:]}==" if len(value) > 20 else value for name, value in members.items()}
    assert the_same(parse(json.dumps(spoilt).encode()), RSA)


def test_a_pem_may_stand_among_certificates_and_parameters() -> None:
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    key = in_form(EC, "traditional").decode()
    assert the_same(parse((CERTIFICATE + parameters + key + CERTIFICATE).encode()), EC)


def test_a_jwk_says_its_kid_and_algorithm() -> None:
    found = parse(json.dumps(jwk(RSA, kid="k1", alg="PS256", use="sig", key_ops=["sign"])).encode())
    assert (found.kid, found.alg) == ("k1", "PS256")


def test_members_that_are_null_say_nothing() -> None:
    found = parse(json.dumps(jwk(RSA, kid=None, alg=None, use=None, key_ops=None)).encode())
    assert (found.kid, found.alg) == (None, None)


def test_an_empty_kid_is_none() -> None:
    assert parse(json.dumps(jwk(RSA, kid="")).encode()).kid is None


def test_a_passphrase_that_a_plain_key_does_not_need_is_ignored() -> None:
    assert the_same(parse(RSA_PEM.encode(), passphrase=PASSPHRASE), RSA)


@pytest.mark.parametrize("passphrase", ["", "x" * 200, "ä€"])
def test_a_wrong_passphrase_is_a_sentence(passphrase: str) -> None:
    for form in ("encrypted pkcs8", "encrypted traditional"):
        said = refusal(in_form(RSA, form), passphrase=passphrase.encode())
        assert "passphrase_file" in said


def test_an_encrypted_key_without_passphrase_says_where_to_put_it() -> None:
    for form in ("encrypted pkcs8", "encrypted traditional"):
        assert "is encrypted" in refusal(in_form(RSA, form))


def openssh_encrypted() -> bytes:
    """As ssh-keygen writes it (PROTOCOL.key), with noise where the key would be."""

    def string(value: bytes) -> bytes:
        return len(value).to_bytes(4, "big") + value

    public = string(b"ssh-ed25519") + string(bytes(32))
    kdf = string(string(bytes(16)) + (16).to_bytes(4, "big"))
    blob = b"openssh-key-v1\0" + string(b"aes256-ctr") + string(b"bcrypt") + kdf
    blob += (1).to_bytes(4, "big") + string(public) + string(bytes(160))
    return b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.encodebytes(blob) + b"-----END OPENSSH PRIVATE KEY-----\n"


def test_openssh_s_own_encryption_is_refused_with_the_way_out() -> None:
    assert "is encrypted; put" in refusal(openssh_encrypted())
    assert "ssh-keygen -p" in refusal(openssh_encrypted(), passphrase=b"secret")


def public_pem(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def without(members: dict[str, Any], *names: str) -> str:
    return json.dumps({name: value for name, value in members.items() if name not in names})


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
DSA = dsa.generate_private_key(1024)  # noqa: S505 - refused for its kind, and larger ones take seconds to make
SMALL = native("RSA", bits=1024)
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "white space": (" \n\ufeff", "neither PEM nor a JWK"),
    "prose": ("see the vault", "neither PEM nor a JWK"),
    "HTML": ("<html>404</html>", "neither PEM nor a JWK"),
    "binary": (b"\x30\x82\x04\xa4\x02\x01\x00\xff", "neither PEM nor a JWK"),
    "base64 of something": (base64.b64encode(bytes(99)), "neither PEM nor a JWK"),
    "base64 of a wrong length": ("A" * 65, "neither PEM nor a JWK"),
    "cut off JWK": (json.dumps(jwk(RSA))[:300], "not valid JSON"),
    "deep JSON": ('{"a":' * 9000, "not valid JSON"),
    "cut off PEM": (RSA_PEM[:600], "middle of a PEM block"),
    "PEM without its middle": (RSA_PEM[:100] + RSA_PEM[900:], "cannot be read"),
    "public PEM": (public_pem(RSA), "public key only"),
    "public SSH key": ("ssh-rsa AAAAB3 me", "public key only"),
    "certificate": (CERTIFICATE, "certificate only"),
    "parameters only": ("-----BEGIN EC PARAMETERS-----\nBg==\n-----END EC PARAMETERS-----", "no private key among"),
    "two PEM": (RSA_PEM * 2, "2 private keys"),
    "RSA 1024 PEM": (pem(SMALL), "1024 bits"),
    "RSA 1024 JWK": (json.dumps(jwk(SMALL)), "1024 bits"),
    "huge RSA": (json.dumps(jwk(RSA, n="_" * 5000)), "30000 bits"),
    "DSA": (
        DSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "another kind",
    ),
    "X25519": (
        x25519.X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "cannot sign",
    ),
    "Ed448": (
        ed448.Ed448PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "curve Ed448",
    ),
    "secp256k1 PEM": (pem(ec.generate_private_key(ec.SECP256K1())), "curve secp256k1"),
    "secp256k1 JWK": (json.dumps(jwk(EC, crv="secp256k1")), "curve 'secp256k1'"),
    "X25519 JWK": (json.dumps(jwk(native("Ed25519"), crv="X25519")), "curve 'X25519'"),
    "crv is a list": (json.dumps(jwk(EC, crv=["P-256"])), "not supported"),
    "wrong curve": (json.dumps(jwk(EC, crv="P-384")), "do not belong together"),
    "symmetric": ('{"kty": "oct", "k": "c2VjcmV0"}', "symmetric key"),
    "no kty": (without(jwk(RSA), "kty"), 'member "kty"'),
    "use enc": (json.dumps(jwk(RSA, use="enc")), '"use"'),
    "key_ops": (json.dumps(jwk(RSA, key_ops=["verify"])), '"key_ops"'),
    "key_ops is a word": (json.dumps(jwk(RSA, key_ops="sign")), '"key_ops"'),
    "alg is a number": (json.dumps(jwk(RSA, alg=256)), '"alg"'),
    "kid is a number": (json.dumps(jwk(RSA, kid=7)), '"kid"'),
    "kid of two lines": (json.dumps(jwk(RSA, kid="a\nb")), '"kid"'),
    "public JWK": (json.dumps(public_members(RSA)), "public key only"),
    "no primes": (without(jwk(RSA), "p", "q", "dp", "dq", "qi"), "without p, q, dp, dq, qi"),
    "no qi": (without(jwk(RSA), "qi"), "without qi"),
    "multi-prime": (json.dumps(jwk(RSA, oth=[{}])), "more than two primes"),
    "no n": (without(jwk(RSA), "n"), '"n" is missing'),
    "no x": (without(jwk(EC), "x"), '"x" is missing'),
    "d is null": (json.dumps(jwk(EC, d=None)), '"d" is missing'),
    "d is empty": (json.dumps(jwk(EC, d="")), '"d" is not base64url'),
    "d is no base64url": (json.dumps(jwk(EC, d="a+b/c")), '"d" is not base64url'),
    "d has an impossible length": (json.dumps(jwk(EC, d="abcde")), '"d" is not base64url'),
    "another's d": (json.dumps(jwk(EC, d=jwk(native("P-256", 1))["d"])), "do not belong together"),
    "another's n": (json.dumps(jwk(RSA, n=jwk(native("RSA", 1))["n"])), "do not belong together"),
    "short Ed25519": (json.dumps(jwk(native("Ed25519"), d="AAAA")), "do not belong together"),
}


@for_each("case", REFUSED)
def test_what_is_no_usable_key_is_refused_with_a_sentence(case: str) -> None:
    content, expected = REFUSED[case]
    assert expected in refusal(content)


def jwks(*keys: object) -> str:
    return json.dumps({"keys": keys})


A, B = jwk(EC, kid="a"), jwk(native("P-256", 1), kid="b")


def test_a_set_gives_the_key_of_the_configured_kid() -> None:
    assert the_same(parse(jwks(A, B).encode(), kid="b"), native("P-256", 1))


def test_a_set_gives_its_only_private_signing_key() -> None:
    others = [jwk(RSA, use="enc", kid="e"), public_members(native("P-384")), {"kty": "oct", "k": "c2VjcmV0"}]
    assert the_same(parse(jwks(*others, A).encode()), EC)


def test_a_nameless_key_of_a_set_may_be_named_by_the_configuration() -> None:
    found = parse(jwks(jwk(EC)).encode(), kid="mine")
    assert found.kid is None


def test_the_private_one_of_two_keys_of_one_name_is_taken() -> None:
    assert the_same(parse(jwks({**public_members(EC), "kid": "a"}, A).encode(), kid="a"), EC)


@for_each(
    ("keys", "kid", "expected"),
    [
        ([A, B], None, "2 private signing keys, 'a', 'b'"),
        ([A, B], "c", "no key of the wanted kid but 'a', 'b'"),
        ([jwk(EC), jwk(RSA)], "c", "no key of the wanted kid but keys without kid"),
        ([jwk(EC, kid=f"k{i}") for i in range(9)], None, "'k4', ..."),
        ([], None, "no private signing key"),
        ([public_members(RSA), public_members(EC)], None, "no private signing key"),
        ([public_members(RSA)], None, "public key only"),
        ([{**public_members(EC), "kid": "a"}, B], "a", "public key only"),
        (["a"], None, "is no JWKS"),
        ([A, A], "a", "2 private signing keys"),
    ],
)
def test_a_set_that_leaves_doubt_is_refused(keys: list[Any], kid: str | None, expected: str) -> None:
    assert expected in refusal(jwks(*keys), kid=kid)


def test_a_set_that_is_no_list_is_refused() -> None:
    assert "is no JWKS" in refusal('{"keys": {"a": 1}}')


def test_no_key_is_shown_by_repr() -> None:
    for kind in KINDS:
        shown = repr(parse(json.dumps(jwk(native(kind))).encode()))
        assert not [value for value in private_members(native(kind)).values() if value[:8] in shown]
