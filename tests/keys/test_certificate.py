import base64
import hashlib
import math
import subprocess
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from broker.keys.certificate import DAY, Certificate, parse_certificate
from broker.keys.private import UnusableError
from certificates import certificate_of, pem_of
from each_case import for_each
from key_forms import KINDS, native, pem
from programs.installed import needed

START, END = 1_780_000_000.0, 1_811_536_000.0
KEY, OTHER = native("P-256"), native("P-256", 1)
CERTIFICATE = certificate_of(KEY, not_before=START, not_after=END)
ANOTHER = certificate_of(OTHER, not_before=START, not_after=END, name="ca")
FILE = "/keys/key.pem"


def parsed(content: bytes) -> Certificate:
    return parse_certificate(content, KEY.public_key(), key_file=FILE)


def refusal(content: bytes) -> str:
    with pytest.raises(UnusableError) as caught:
        parsed(content)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_thumbprint_is_that_of_the_der_in_base64url_without_padding(kind: str) -> None:
    key = native(kind)
    certificate = certificate_of(key, not_before=START, not_after=END)
    found = parse_certificate(pem_of(certificate), key.public_key(), key_file=FILE)
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    assert base64.urlsafe_b64decode(found.x5t + "=") == digest
    assert len(found.x5t) == 43
    assert (found.not_before, found.not_after) == (START, END)


def test_openssl_says_the_same_thumbprint(tmp_path: Path) -> None:
    openssl = needed("openssl", "openssl")
    file = tmp_path / "certificate.pem"
    file.write_bytes(pem_of(CERTIFICATE))
    command = [openssl, "x509", "-in", str(file), "-noout", "-fingerprint", "-sha256"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    octets = bytes.fromhex(said.partition("=")[2].strip().replace(":", ""))
    assert parsed(pem_of(CERTIFICATE)).x5t == base64.urlsafe_b64encode(octets).decode().rstrip("=")


def test_of_a_chain_the_first_is_the_key_s() -> None:
    assert parsed(pem_of(CERTIFICATE, ANOTHER)) == parsed(pem_of(CERTIFICATE))


def test_a_chain_in_the_wrong_order_says_so() -> None:
    assert refusal(pem_of(ANOTHER, CERTIFICATE)) == (
        "has the certificate of the key in /keys/key.pem behind another; put it first"
    )


def test_the_certificate_of_another_key_is_refused() -> None:
    assert refusal(pem_of(ANOTHER)) == (
        "holds the certificate of another key than the one in /keys/key.pem; name the one issued for it"
    )


def test_a_file_with_key_and_certificate_will_do() -> None:
    assert parsed(pem(KEY) + b"Bag Attributes\n    friendlyName: app\n" + pem_of(CERTIFICATE)).not_after == END


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\\n"),
        lambda text: text.replace(b"\n", b"\n    "),
        lambda text: b"\xef\xbb\xbf" + text,
    ],
)
def test_what_copying_leaves_does_no_harm(mangle: object) -> None:
    assert parsed(mangle(pem_of(CERTIFICATE))) == parsed(pem_of(CERTIFICATE))  # type: ignore[operator]  # it is a function


@pytest.mark.parametrize("content", [b"", b"hello", pem(KEY), CERTIFICATE.public_bytes(Encoding.DER)])
def test_a_file_without_a_certificate_in_pem_says_how_to_get_one(content: bytes) -> None:
    assert refusal(content) == (
        "holds no certificate in PEM (BEGIN CERTIFICATE); convert it with openssl x509 -inform DER -in FILE, or name"
        " the right file"
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"AAAA", b"not base64 at all", b"TQ=", pem_of(CERTIFICATE).splitlines()[1]],
    ids=["empty", "too short", "no base64", "bad padding", "only begun"],
)
def test_a_damaged_certificate_is_refused(body: bytes) -> None:
    framed = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % body
    assert refusal(framed) == "holds a certificate that cannot be read; export it again"


@given(st.integers(0, 1 << 16), st.integers(0, 255))
def test_a_flipped_byte_is_a_certificate_or_a_sentence(place: int, value: int) -> None:
    der = bytearray(CERTIFICATE.public_bytes(Encoding.DER))
    der[place % len(der)] = value
    framed = b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % base64.encodebytes(der)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cryptography's own, about odd serial numbers and names
        try:
            found = parsed(framed)
        except UnusableError:
            pass
        else:
            assert x509.load_der_x509_certificate(bytes(der)).public_key() == KEY.public_key()
            assert found.x5t == base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


@for_each(("life", "ahead"), [(730, 30), (365, 30), (120, 30), (90, 22.5), (47, 11.75), (7, 1.75), (1, 0.25)])
def test_it_is_told_a_month_ahead_or_a_quarter_of_its_life(life: float, ahead: float) -> None:
    certificate = Certificate(x5t="x", not_before=END - life * DAY, not_after=END)
    assert certificate.days_left(END - ahead * DAY) is None
    assert certificate.days_left(END - ahead * DAY + 1) == math.ceil(ahead) - 1


def test_an_expired_certificate_counts_on() -> None:
    certificate = parsed(pem_of(CERTIFICATE))
    assert certificate.days_left(END - 1) == 0
    assert certificate.days_left(END + 1) == -1
    assert certificate.days_left(END + 10.5 * DAY) == -11


@given(st.floats(1, 4000), st.floats(-1000, 1000))
def test_what_a_machine_renews_when_a_third_is_left_is_never_told(life: float, offset: float) -> None:
    certificate = Certificate(x5t="x", not_before=END - life * DAY, not_after=END)
    if offset * DAY < END - life * DAY / 3 - END:
        assert certificate.days_left(END + offset * DAY) is None
