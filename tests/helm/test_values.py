import json
from collections.abc import Iterator
from typing import Any

import pytest

from helm import values_page, values_schema
from helm.chart import CHART, Major, RefusedError, helmed, refusal, text
from helm.scenarios import Values, scenario, workload
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
        ({"image": {"repository": "registry.example.com/token-broker:0.1.0"}}, "repository"),
        ({"image": {"repository": "registry.example.com/token broker"}}, "repository"),
        ({"image": {"repository": "registry.example.com/token-broker@sha256:abc"}}, "repository"),
        ({"image": {"repository": "https://registry.example.com/token-broker"}}, "repository"),
        ({"image": {"repository": ""}}, "repository"),
        ({"image": None}, "image"),
        ({"image": {"repository": None}}, "repository"),
        ({"key": None}, "key"),
        ({"ports": None}, "ports"),
        ({"ports": {"admin": None}}, "admin"),
        ({"readinessProbe": None}, "readinessProbe"),
        ({"unixSocket": {"enabled": None}}, "enabled"),
        ({"callers": {"reports": {"secretName": "x"}}}, "secretName"),
        ({"callers": {"reports": {"create": "yes"}}}, "create"),
        ({"sinks": {"mountPath": "tokens"}}, "mountPath"),
        ({"unixSocket": True}, "unixSocket"),
        ({"imagePullSecrets": ["x"]}, "imagePullSecrets"),
        ({"tolerations": [{"effect": "Never"}]}, "effect"),
        ({"nameOverride": "Token_Broker"}, "nameOverride"),
        ({"fullnameOverride": "a b"}, "fullnameOverride"),
        ({"fullnameOverride": "a" * 64}, "fullnameOverride"),
        ({"injector": {"defaultSecret": "Key"}}, "defaultSecret"),
        ({"injector": {"defaultConfigMap": ""}}, "defaultConfigMap"),
        ({"podMonitor": {"metricRelabelings": [{"sourcelabels": []}]}}, "sourcelabels"),
        ({"podMonitor": {"labels": {"a": 1}}}, "labels"),
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
        (
            {"existingConfigMap": "My_Config", "config": None},
            "token-broker.existingConfigMap is to be the name of a Config",
        ),
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
        ({"config": "just words"}, "token-broker.config is text, and not YAML that holds keys"),
        ({"config": "\ta: b"}, "token-broker.config is text, and not YAML that holds keys"),
        ({"config": "# nothing yet"}, "token-broker.config is text in which there is nothing but space and comments"),
        ({"config": " \n"}, "token-broker.config is text in which there is nothing but space and comments"),
        ({"config": ""}, "there is no configuration: write it under token-broker.config"),
        ({"config": "startup: 5m"}, "token-broker.config.startup must hold keys"),
        ({"config": "api: {callers: [a]}"}, "token-broker.config.api.callers must hold keys"),
        ({"config": "api: {callers: {a: b}}"}, "token-broker.config.api.callers.a must hold keys"),
        (
            {"config": "api: {callers: {a: {secret_file: 1}}}"},
            "token-broker.config.api.callers.a.secret_file must be text",
        ),
        ({"config": "clients: {okta: x}"}, "token-broker.config.clients.okta must hold keys"),
        (
            {"config": "clients: {okta: {private_key: x}}"},
            "token-broker.config.clients.okta.private_key must hold keys",
        ),
        (
            {"config": "clients: {okta: {private_key: {file: 7}}}"},
            "token-broker.config.clients.okta.private_key.file must be",
        ),
        (
            {"config": "clients: {okta: {private_keys: {file: a}}}"},
            "token-broker.config.clients.okta.private_keys must be a list",
        ),
        (
            {"config": "clients: {okta: {private_keys: [a]}}"},
            "token-broker.config.clients.okta.private_keys[0] must hold keys",
        ),
        (
            {"config": "clients: {okta: {assertion_file: [a]}}"},
            "token-broker.config.clients.okta.assertion_file must be text",
        ),
        ({"config": "tokens: {a: b}"}, "token-broker.config.tokens.a must hold keys"),
        ({"config": "tokens: {a: {client: 1}}"}, "token-broker.config.tokens.a.client must be text"),
        ({"config": "tokens: {a: {sinks: b}}"}, "token-broker.config.tokens.a.sinks must be a list"),
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
        (
            {"extraVolumes": [{"name": "token-broker-key", "emptyDir": {}}]},
            "token-broker.extraVolumes has a volume token-broker-key, and there is one of that name already",
        ),
        (
            {"extraVolumes": [{"name": "ca", "emptyDir": {}}, {"name": "ca", "configMap": {"name": "ca"}}]},
            "token-broker.extraVolumes has a volume ca, and there is one of that name already; give it another",
        ),
        (
            {"extraVolumeMounts": [{"name": "a", "mountPath": "/ca"}, {"name": "b", "mountPath": "/ca/"}]},
            "token-broker.extraVolumeMounts[1].mountPath is /ca/, and the volume a is mounted at /ca; choose a place",
        ),
        (
            {"extraVolumeMounts": [{"name": "a", "mountPath": "/etc/token-broker"}]},
            "extraVolumeMounts[0].mountPath is /etc/token-broker, and the volume token-broker-config is mounted at",
        ),
        (
            {"extraVolumeMounts": [{"name": "a", "mountPath": "/run/secrets/token-broker/ca"}]},
            "is /run/secrets/token-broker/ca, and the volume token-broker-key is mounted at /var/run/secrets/token",
        ),
        (
            {"extraVolumeMounts": [{"name": "a", "mountPath": "/var/run/secrets"}]},
            "is /var/run/secrets, and the volume token-broker-key is mounted at /var/run/secrets/token-broker;",
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


#: What people leave in a file while they edit it.
ODD: list[Any] = [None, "text", 7, ["a"], {"a": None}, {"a": "b"}]
LOOKED_INTO = (
    *("api", "api.callers", "api.callers.reports", "clients", "clients.okta", "clients.okta.private_key"),
    *("clients.okta.private_keys", "tokens", "tokens.default", "tokens.default.sinks"),
)


def written(place: str, odd: Any) -> str:
    """The configuration of the minimal scenario as text, with `odd` somewhere."""
    config = json.loads(json.dumps(scenario("okta")["config"]))
    *folders, last = place.split(".")
    inside = config
    for folder in folders:
        inside = inside.setdefault(folder, {})
    inside[last] = odd
    return json.dumps(config)


def complaint(values: Values) -> str:
    """What Helm says, "" if it renders."""
    try:
        text(workload(), values)
    except RefusedError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_no_form_of_a_configuration_makes_helm_speak_of_its_templates(odd: Any) -> None:
    for place in LOOKED_INTO:
        said = complaint({"token-broker": scenario("okta") | {"config": written(place, odd), "tokens": ["default"]}})
        assert not said or "execution error at" in said, place
