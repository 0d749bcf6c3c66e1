import base64
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from helm.chart import CHART, Major, RefusedError, helmed, refusal
from helm.scenarios import Values, attached, scenario
from helm.snippets import chart_of, printed

BOTH = pytest.mark.parametrize("major", [3, 4])
PRIVATE = serialization.PrivateFormat


def made() -> list[Any]:
    """A key of each kind whose encoding begins in its own way."""
    curves = ("P-256", "P-384", "P-521")
    rsa = [RSAKey.generate_key(bits) for bits in (2048, 4096)]
    return [*rsa, *map(ECKey.generate_key, curves), OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed448")]


def pem() -> str:
    return ECKey.generate_key("P-256").as_pem(private=True).decode()


def jwk(key: Any | None = None) -> str:
    return json.dumps((key or ECKey.generate_key("P-256")).as_dict(private=True))


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def in_url_base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 76)) + "\n"


def der(key: Any, form: PRIVATE = PRIVATE.PKCS8) -> str:
    encoded = key.private_key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
    return base64.b64encode(encoded).decode()


FORMS: dict[str, Callable[[], str]] = {
    "PEM": pem,
    "PEM of RSA": lambda: RSAKey.generate_key(2048).as_pem(private=True).decode(),
    "PEM among other things": lambda: "Bag Attributes\n    localKeyID: 01\n" + pem(),
    "PEM in a JSON of Google": lambda: json.dumps({"type": "service_account", "private_key": pem()}),
    "PEM in base64": lambda: in_base64(pem()),
    "PEM in base64, wrapped": lambda: wrapped(in_base64("\n" + pem())),
    "PEM in base64 twice": lambda: in_base64(in_base64(pem())),
    "the lines of a PEM": lambda: "".join(pem().splitlines(keepends=True)[1:-1]),
    "JWK": jwk,
    "JWK with d at the end": lambda: json.dumps(dict(sorted(json.loads(jwk()).items(), reverse=True))),
    "JWKS": lambda: json.dumps({"keys": [json.loads(jwk(OKPKey.generate_key("Ed25519")))]}),
    "JWK as YAML": lambda: "kty: OKP\ncrv: Ed25519\nd: " + json.loads(jwk(OKPKey.generate_key("Ed25519")))["d"],
    "JWK as text in JSON": lambda: json.dumps({"secret": jwk()}),
    "JWK as text in text in JSON": lambda: json.dumps([json.dumps({"secret": jwk()})]),
    "JWK in base64": lambda: in_base64(jwk()),
    # The kid makes both characters appear that are others in URLs, wherever it stands.
    "JWK in base64 for URLs": lambda: in_url_base64(json.dumps({"kid": "~~~???~~~???", **json.loads(jwk())})),
    "JWK in base64, wrapped": lambda: wrapped(in_base64(jwk())),
    "DER in a manifest of a Secret": lambda: json.dumps({"data": {"key": der(ECKey.generate_key("P-256"))}}),
}
PLACES = (
    "key.existingSecret",
    "existingConfigMap",
    "config",
    "config.clients.okta.private_key.file",
    "config.clients.okta.private_key.kid",
)


def at(place: str, value: object) -> Values:
    """The minimal scenario with a value at a dotted path."""
    changed = json.loads(json.dumps(scenario("okta")))
    *folders, last = place.split(".")
    inside = changed
    for folder in folders:
        inside = inside.setdefault(folder, {})
    inside[last] = value
    return dict(changed)


@pytest.mark.parametrize("form", FORMS)
@BOTH
def test_a_key_in_values_is_refused(form: str, major: Major) -> None:
    key = FORMS[form]()
    said = refusal(CHART, scenario("okta") | {"extraEnv": [{"name": "PRIVATE_KEY", "value": key}]}, major=major)
    assert "extraEnv[0].value holds a private key" in said
    assert key[:40] not in said


@pytest.mark.parametrize("place", PLACES)
@BOTH
def test_a_key_is_refused_wherever_it_is(place: str, major: Major) -> None:
    for form in ("PEM", "JWK", "JWK in base64"):
        assert f"{place} holds a private key" in refusal(CHART, at(place, FORMS[form]()), major=major)


LOOKED_INTO = """
{{- range .Values.texts }}
- {{ include "token-broker.holdsKey" (dict "text" . "layers" 2) | not | not }}
{{- end }}
"""


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chart_of(tmp_path_factory.mktemp("looking"), LOOKED_INTO)


@BOTH
def test_every_kind_of_key_is_known_by_its_der(looking: Path, major: Major) -> None:
    keys = made()
    texts = [der(key) for key in keys]
    texts += [der(key, PRIVATE.TraditionalOpenSSL) for key in keys if not isinstance(key, OKPKey)]
    texts += [wrapped(text) for text in texts] + [text.replace("+", "-").replace("/", "_") for text in texts]
    assert printed(looking, {"texts": texts}, major) == [True] * len(texts)


@BOTH
def test_no_kind_of_public_key_is_taken_for_a_private_one(looking: Path, major: Major) -> None:
    pems = [key.as_pem(private=False).decode() for key in made()]
    texts = [*pems, *(jwk_ for key in made() for jwk_ in (json.dumps(key.as_dict(private=False)),))]
    texts += [in_base64(text) for text in texts] + ["".join(text.splitlines()[1:-1]) for text in pems]
    assert printed(looking, {"texts": texts}, major) == [False] * len(texts)


#: YAML has no control characters.
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufeff"))


@settings(max_examples=15, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(content=st.lists(st.one_of(TEXTS, st.binary(min_size=30)), min_size=20, max_size=60))
def test_what_is_no_key_is_taken_for_none(looking: Path, content: list[str | bytes]) -> None:
    texts = [one if isinstance(one, str) else base64.b64encode(one).decode() for one in content]
    assert printed(looking, {"texts": texts}) == [False] * len(texts)


@BOTH
def test_a_jwk_written_out_in_claims_is_refused(major: Major) -> None:
    claims = {"claims": {"cnf": dict(ECKey.generate_key("P-256").as_dict(private=True))}}
    said = refusal(CHART, at("config.clients.okta.assertion", claims), major=major)
    assert "config.clients.okta.assertion.claims.cnf holds a private key" in said


@BOTH
def test_a_certificate_may_be_anywhere(major: Major) -> None:
    certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    for value in (certificate, in_base64(certificate)):
        assert attached(scenario("okta") | {"extraEnv": [{"name": "PUBLIC", "value": value}]}, major=major)


@BOTH
def test_a_key_is_refused_without_the_schema_too(major: Major) -> None:
    with pytest.raises(RefusedError, match=r"key\.pem holds a private key"):
        helmed(major, "template", CHART, "--skip-schema-validation", "--set-string", f"key.pem={pem()}")
