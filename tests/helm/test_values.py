import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from helm import values_page, values_schema
from helm.chart import CHART, Major, RefusedError, helmed, refusal
from helm.scenarios import Values, attached, scenario, workload
from helm.values_file import values

BOTH = pytest.mark.parametrize("major", [3, 4])
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
#: Not the chart's to say: Helm's own key, and a place for a parent's `condition`.
NOT_OURS = {("global",), ("enabled",)}


def test_the_schema_is_up_to_date() -> None:
    assert values_schema.schema() == SCHEMA, "run: make generate"


def test_the_page_is_up_to_date() -> None:
    assert (CHART / "README.md").read_text() == values_page.page(), "run: make generate"


def test_the_schema_and_the_values_have_the_same_keys() -> None:
    def keys(schema: dict[str, Any], place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, inner in schema.get("properties", {}).items():
            yield (*place, name)
            if inner.get("type") == "object" and name not in {"config", "resources"}:
                yield from keys(inner, (*place, name))

    written = {value.path for value in values()} - {("resources", "requests"), ("resources", "limits")}
    assert set(keys(SCHEMA, ())) - NOT_OURS == written


def test_every_object_in_the_schema_says_what_it_may_hold() -> None:
    def open_ones(schema: object, place: str) -> Iterator[str]:
        if isinstance(schema, dict):
            kinds = schema.get("type")
            if (
                kinds == "object" or (isinstance(kinds, list) and "object" in kinds)
            ) and "additionalProperties" not in schema:
                yield place
            for name, inner in schema.items():
                yield from open_ones(inner, f"{place}/{name}")
        elif isinstance(schema, list):
            for position, inner in enumerate(schema):
                yield from open_ones(inner, f"{place}/{position}")

    kubernetes = "/properties/extraVolumes/items/properties/"
    found = [place for place in open_ones(SCHEMA, "") if not place.startswith(kubernetes)]
    assert found == ["/properties/global"]


def test_every_default_is_what_the_schema_permits() -> None:
    for major in (3, 4):
        helmed(major, "lint", "--strict", CHART)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"imagee": {"tag": "1"}}, "imagee"),
        ({"image": {"digest": "sha256:abc"}}, "digest"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"key": {"privateKey": "x"}}, "privateKey"),
        ({"keys": {"okta": {"secretName": "x"}}}, "secretName"),
        ({"ports": {"api": 0}}, "api"),
        ({"tokens": "default"}, "tokens"),
        ({"extraEnv": [{"name": "A", "value": 1}]}, "extraEnv"),
        ({"extraEnv": [{"name": "A", "valueFrom": {"secretRef": {"name": "x"}}}]}, "secretRef"),
        ({"extraVolumeMounts": [{"name": "a", "mountpath": "/a"}]}, "mountpath"),
        ({"extraVolumes": [{"name": "a", "configmap": {}}]}, "configmap"),
        ({"resources": {"requsts": {}}}, "requsts"),
        ({"readinessProbe": {"enable": True}}, "enable"),
        ({"injector": {"failurePolicy": "Maybe"}}, "failurePolicy"),
        ({"podMonitor": {"interval": "often"}}, "interval"),
        ({"config": {"clients": {}, "tokns": {}}}, "tokns"),
        ({"config": {"log": {"level": "info"}}}, "clients"),
        ({"config": {"startup": {"wait": "5 minutes"}}}, "wait"),
        ({"config": {"clients": {"okta": {"client_idd": "x"}}}}, "client_idd"),
    ],
)
@BOTH
def test_the_schema_names_what_is_wrong(wrong: Values, named: str, major: Major) -> None:
    assert named in refusal(CHART, wrong, major=major)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"key": {}}, "there is no private key: name the Secret that holds it in token-broker.key.existingSecret"),
        ({"keys": {"okta": {"existingSecret": "x"}}}, "token-broker.key and token-broker.keys are both set"),
        ({"key": {"existingSecret": "Okta_Key"}}, "token-broker.key.existingSecret is to be the name of a Secret"),
        (
            {"key": {}, "keys": {"okta": {"existingSecret": ""}}},
            "token-broker.keys.okta.existingSecret is to be the name",
        ),
        (
            {"key": {}, "keys": {"otka": {"existingSecret": "x"}}},
            "keys has otka, and token-broker.config.clients has not",
        ),
        ({"existingConfigMap": "x"}, "token-broker.config and token-broker.existingConfigMap are both set"),
        ({"ports": {"api": 7181}}, "token-broker.ports.api and token-broker.ports.admin are both 7181"),
        ({"config": None}, "there is no configuration: write it under token-broker.config"),
        ({"tokens": ["reports"]}, 'there is no token "reports" to choose; token-broker.config.tokens has default'),
        ({"config": "clients: [a"}, "token-broker.config is text, and not YAML that holds keys"),
        ({"config": "- a"}, "token-broker.config is text, and not YAML that holds keys"),
        ({"config": "startup: 5m"}, "token-broker.config.startup must hold keys"),
        (
            {"config": "api: {listen: [localhost:1]}"},
            "token-broker.config.api.listen is the chart's to say, so that probes and listeners agree; change token-",
        ),
        (
            {"key": {}, "keys": {"okta": {"existingSecret": "x"}}},
            "token-broker.config.clients.okta.private_key.file is /var/run/secrets/token-broker/private-key.jwk, and",
        ),
        (
            {"key": {}, "keys": {"okta": {"existingSecret": "x"}}},
            "nothing is mounted there; mounted is /var/run/secrets/token-broker/okta/<entry of Secret x>",
        ),
        (
            {"key": {"existingSecret": "x", "items": [{"key": "a", "path": "okta.jwk"}]}},
            "and nothing is mounted there; mounted is /var/run/secrets/token-broker/okta.jwk",
        ),
    ],
)
@BOTH
def test_a_mistake_that_no_schema_sees_is_a_sentence(change: Values, sentence: str, major: Major) -> None:
    assert sentence in refusal(workload(), {"token-broker": scenario("okta") | change}, major=major)


@pytest.mark.parametrize("section", ["api", "admin"])
@BOTH
def test_listen_addresses_are_refused_in_the_configuration(section: str, major: Major) -> None:
    config = scenario("okta")["config"] | {section: {"listen": ["localhost:1"]}}
    said = refusal(CHART, {"config": config}, major=major)
    assert f"config.{section}.listen is the chart's to say" in said
    assert f"change ports.{section} instead" in said


def pem() -> str:
    return ECKey.generate_key("P-256").as_pem(private=True).decode()


def at(place: str, value: object) -> Values:
    """The minimal scenario with a value at a dotted path."""
    made = json.loads(json.dumps(scenario("okta")))
    *folders, last = place.split(".")
    inside = made
    for folder in folders:
        inside = inside.setdefault(folder, {})
    inside[last] = value
    return dict(made)


KEYS: dict[str, Callable[[], str]] = {
    "pem": pem,
    "rsa": lambda: RSAKey.generate_key(2048).as_pem(private=True).decode(),
    "base64": lambda: base64.b64encode(pem().encode()).decode(),
    "jwk": lambda: json.dumps(ECKey.generate_key("P-256").as_dict(private=True)),
    "jwks": lambda: json.dumps({"keys": [OKPKey.generate_key("Ed25519").as_dict(private=True)]}),
    "yaml": lambda: "kty: OKP\ncrv: Ed25519\nd: " + str(OKPKey.generate_key("Ed25519").as_dict(private=True)["d"]),
}
PLACES = (
    "key.existingSecret",
    "existingConfigMap",
    "config",
    "config.clients.okta.private_key.file",
    "config.clients.okta.private_key.kid",
)


@pytest.mark.parametrize("form", KEYS)
@BOTH
def test_a_key_in_values_is_refused(form: str, major: Major) -> None:
    key = KEYS[form]()
    variable = scenario("okta") | {"extraEnv": [{"name": "PRIVATE_KEY", "value": key}]}
    for wrong in [variable, *(at(place, key) for place in PLACES)]:
        said = refusal(CHART, wrong, major=major)
        assert "holds a private key" in said
        assert key[:40] not in said


@BOTH
def test_a_jwk_written_out_in_claims_is_refused(major: Major) -> None:
    claims = {"claims": {"cnf": dict(ECKey.generate_key("P-256").as_dict(private=True))}}
    said = refusal(CHART, at("config.clients.okta.assertion", claims), major=major)
    assert "config.clients.okta.assertion.claims.cnf holds a private key" in said


@BOTH
def test_a_public_key_may_be_anywhere(major: Major) -> None:
    public = json.dumps(RSAKey.generate_key(2048).as_dict(private=False))
    certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    for value in (public, certificate, base64.b64encode(certificate.encode()).decode()):
        assert attached(scenario("okta") | {"extraEnv": [{"name": "PUBLIC", "value": value}]}, major=major)


@BOTH
def test_a_key_is_refused_without_the_schema_too(major: Major) -> None:
    with pytest.raises(RefusedError, match=r"key\.pem holds a private key"):
        helmed(major, "template", CHART, "--skip-schema-validation", "--set-string", f"key.pem={pem()}")
