"""Private keys in every form that key files come in, made by cryptography alone, and signatures judged by it alone."""

import base64
import functools
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from broker.core.signer import Signer
from broker.oauth.assertion import make_assertion

Native = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

PASSPHRASE = b"a passphrase of the test"
CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
KINDS = ("RSA", *CURVES, "Ed25519")
ALGORITHMS = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
    "Ed25519": "Ed25519",
}
FORMS = ("jwk", "jwks", "pkcs8", "traditional", "openssh", "encrypted pkcs8", "encrypted traditional")
#: Ed25519 has no traditional form.
KINDS_IN_FORMS = [
    (kind, form) for kind in KINDS for form in FORMS if not (kind == "Ed25519" and form.endswith("traditional"))
]


@functools.cache
def native(kind: str, number: int = 0, bits: int = 2048) -> Native:
    """A key, the same for the same arguments."""
    del number
    if kind == "RSA":
        return rsa.generate_private_key(65537, bits)
    return ed25519.Ed25519PrivateKey.generate() if kind == "Ed25519" else ec.generate_private_key(CURVES[kind])


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _int(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def public_members(key: Native) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        rsa_numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "n": _int(rsa_numbers.n), "e": _int(rsa_numbers.e)}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers, size = key.public_key().public_numbers(), (key.key_size + 7) // 8
        crv = next(name for name, curve in CURVES.items() if curve.name == key.curve.name)
        return {"kty": "EC", "crv": crv, "x": _int(numbers.x, size), "y": _int(numbers.y, size)}
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))}


def private_members(key: Native) -> dict[str, str]:
    if isinstance(key, rsa.RSAPrivateKey):
        n = key.private_numbers()
        values = {"d": n.d, "p": n.p, "q": n.q, "dp": n.dmp1, "dq": n.dmq1, "qi": n.iqmp}
        return {name: _int(value) for name, value in values.items()}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"d": _int(key.private_numbers().private_value, (key.key_size + 7) // 8)}
    return {"d": b64(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))}


def jwk(key: Native, **members: object) -> dict[str, Any]:
    return {**public_members(key), **private_members(key), **members}


def pem(key: Native, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes | None = None) -> bytes:
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, form, encryption)


def in_form(key: Native, form: str) -> bytes:
    match form:
        case "jwk":
            return json.dumps(jwk(key)).encode()
        case "jwks":
            return json.dumps({"keys": [jwk(key)]}).encode()
        case "openssh":
            return pem(key, PrivateFormat.OpenSSH)
        case "pkcs8" | "encrypted pkcs8":
            return pem(key, passphrase=PASSPHRASE if form.startswith("encrypted") else None)
        case _:
            return pem(key, PrivateFormat.TraditionalOpenSSL, PASSPHRASE if form.startswith("encrypted") else None)


def encrypted_with_many_rounds(rounds: int) -> bytes:
    """An encrypted PKCS#8 (PBES2, RFC 8018 section 6.2) that takes time to open, and that nothing opens."""

    def der(tag: int, *parts: bytes) -> bytes:
        content = b"".join(parts)
        assert len(content) < 256
        return bytes([tag, len(content)] if len(content) < 128 else [tag, 0x81, len(content)]) + content

    pbes2, pbkdf2 = bytes.fromhex("2a864886f70d01050d"), bytes.fromhex("2a864886f70d01050c")
    hmac_sha256, aes256_cbc = bytes.fromhex("2a864886f70d0209"), bytes.fromhex("60864801650304012a")
    count = der(0x02, rounds.to_bytes(rounds.bit_length() // 8 + 1, "big"))
    derivation = der(0x30, der(0x04, bytes(16)), count, der(0x30, der(0x06, hmac_sha256), b"\x05\0"))
    scheme = der(0x30, der(0x06, aes256_cbc), der(0x04, bytes(16)))
    parameters = der(0x30, der(0x30, der(0x06, pbkdf2), derivation), scheme)
    octets = der(0x30, der(0x30, der(0x06, pbes2), parameters), der(0x04, bytes(64)))
    label = b"ENCRYPTED PRIVATE KEY-----"
    return b"-----BEGIN %s\n%s-----END %s\n" % (label, base64.encodebytes(octets), label)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def segments(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified."""
    header, claims, _ = assertion.split(".")
    return json.loads(decoded(header)), json.loads(decoded(claims))


def verifies(public: Mapping[str, str], assertion: str) -> bool:
    """Whether cryptography, given the members of the public JWK, finds the signature good."""
    signed, _, signature = assertion.rpartition(".")
    algorithm = segments(assertion)[0]["alg"]
    try:
        _verify(public, algorithm, signed.encode(), decoded(signature))
    except InvalidSignature:
        return False
    return True


def _verify(public: Mapping[str, str], algorithm: str, message: bytes, signature: bytes) -> None:
    number = {name: int.from_bytes(decoded(public[name]), "big") for name in ("n", "e", "x", "y") if name in public}
    if public["kty"] == "OKP":
        ed25519.Ed25519PublicKey.from_public_bytes(decoded(public["x"])).verify(signature, message)
        return
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[2:]]
    if public["kty"] == "EC":
        half = len(signature) // 2
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        point = ec.EllipticCurvePublicNumbers(number["x"], number["y"], CURVES[public["crv"]]).public_key()
        point.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
        return
    pad = padding.PKCS1v15() if algorithm.startswith("RS") else padding.PSS(padding.MGF1(digest), digest.digest_size)
    rsa.RSAPublicNumbers(number["e"], number["n"]).public_key().verify(signature, message, pad, digest)


async def an_assertion(signer: Signer) -> str:
    """What the broker does with a signer."""
    return await signer.sign(
        make_assertion,
        issuer="c",
        subject="c",
        audience="https://as.example/token",
        algorithm=signer.algorithm,
        kid=signer.kid,
        x5t=signer.x5t,
        typ="JWT",
        lifetime=60.0,
        issued_at=1.8e9,
        claims={},
    )
