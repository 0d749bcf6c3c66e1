import hashlib
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from broker.core.durations import Wait
from helm.chart import CHART, Major, of_kind, parsed, refusal, text
from helm.scenarios import ATTACHED, attached, scenario, sidecar, workload
from helm.snippets import chart_of, printed

NEVER = 2147483647
#: What a client may be called: product.md's names.
INSIDE = st.one_of(st.text("a0-", min_size=40, max_size=61), st.text("a0.-_", max_size=20), st.text("a._", min_size=35))
NAMES = st.one_of(st.sampled_from("az09"), INSIDE.map(lambda inside: f"a{inside[:61]}c"))
UNIT = st.sampled_from(["ms", "s", "m", "h"])
NUMBER = st.one_of(
    st.integers(0, 5000).map(str), st.tuples(st.integers(0, 99), st.integers(0, 999)).map("{0[0]}.{0[1]}".format)
)
WAITS = st.lists(st.tuples(NUMBER, UNIT).map("".join), min_size=1, max_size=3).map("".join)
MAJORS: tuple[Major, ...] = (3, 4)
#: Each example starts Helm and holds many values: to make it smaller would take minutes and show no more.
AS_FOUND = (Phase.explicit, Phase.reuse, Phase.generate)


def variables(container: dict[str, Any]) -> dict[str, str]:
    """Those with a value."""
    return {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}


def annotation(objects: list[dict[str, Any]]) -> str:
    found: str = of_kind(objects, "Deployment")["spec"]["template"]["metadata"]["annotations"][
        "checksum/token-broker-config"
    ]
    return found


def with_config(**sections: object) -> dict[str, Any]:
    okta = scenario("okta")
    return okta | {"config": okta["config"] | sections}


def test_it_is_a_native_sidecar() -> None:
    container = sidecar(scenario("okta"))
    assert (container["name"], container["restartPolicy"], container["args"]) == ("token-broker", "Always", ["run"])
    assert container["ports"] == [{"name": "broker-admin", "containerPort": 7181, "protocol": "TCP"}]
    assert container["image"] == "registry.example.com/token-broker:0.1.0"


def test_a_digest_follows_the_tag() -> None:
    assert sidecar(scenario("digest"))["image"] == (
        "mirror.example.com:5000/token-broker:0.1.0-hardened"
        "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    )


def test_the_probes_ask_where_the_broker_listens() -> None:
    container = sidecar(scenario("digest"))
    assert variables(container) == {"TOKEN_BROKER_API_LISTEN": "localhost:8180", "TOKEN_BROKER_ADMIN_LISTEN": ":8181"}
    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {
        "startupProbe": {"path": "/startupz", "port": 8181},
        "livenessProbe": {"path": "/livez", "port": 8181},
        "readinessProbe": {"path": "/readyz", "port": 8181},
    }
    assert container["ports"][0]["containerPort"] == 8181


def test_there_is_no_readiness_probe_unless_asked_for() -> None:
    assert "readinessProbe" not in sidecar(scenario("okta"))


def test_the_workload_is_told_where_to_ask() -> None:
    (container,) = of_kind(attached(scenario("digest")), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "TOKEN_BROKER_URL", "value": "http://127.0.0.1:8180"}]


def test_monitoring_can_select_the_pod() -> None:
    labels = of_kind(attached(scenario("okta")), "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert labels["token-broker.dev/sidecar"] == "true"


def test_an_extra_variable_replaces_the_charts_own() -> None:
    container = sidecar(scenario("extra-env"))
    assert [variable["name"] for variable in container["env"]] == [
        "TOKEN_BROKER_API_LISTEN", "TOKEN_BROKER_ADMIN_LISTEN", "TOKEN_BROKER_LOG_LEVEL", "HTTPS_PROXY", "OKTA_DOMAIN",
        "CLIENT_ID", "POD_NAME",
    ]  # fmt: skip
    assert variables(container)["TOKEN_BROKER_ADMIN_LISTEN"] == "0.0.0.0:7181"


def test_a_variable_from_elsewhere_replaces_the_charts_own() -> None:
    value = {"name": "TOKEN_BROKER_API_LISTEN", "valueFrom": {"configMapKeyRef": {"name": "ports", "key": "api"}}}
    container = sidecar(scenario("okta") | {"extraEnv": [value]})
    assert [variable for variable in container["env"] if variable["name"] == value["name"]] == [value]


@pytest.mark.parametrize("major", MAJORS)
def test_a_variable_that_is_said_twice_is_refused(major: Major) -> None:
    twice = [{"name": "A", "value": "1"}, {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    assert "extraEnv has A twice" in refusal(
        workload(), {"token-broker": scenario("okta") | {"extraEnv": twice}}, major=major
    )


@pytest.mark.parametrize("major", MAJORS)
def test_tokens_chosen_in_two_ways_are_refused(major: Major) -> None:
    both = scenario("some-tokens") | {"extraEnv": [{"name": "TOKEN_BROKER_TOKENS", "value": "users-api"}]}
    assert "keep one of the two" in refusal(workload(), {"token-broker": both}, major=major)


def test_a_divisor_that_is_a_number_is_a_quantity() -> None:
    field = {"containerName": "token-broker", "resource": "limits.memory"}
    for divisor, made in ((1, "1"), (1048576, "1.048576e+06"), ("1Mi", "1Mi")):
        variable = {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {**field, "divisor": divisor}}}
        container = sidecar(scenario("okta") | {"extraEnv": [variable]})
        assert container["env"][-1]["valueFrom"]["resourceFieldRef"] == {**field, "divisor": made}


def test_openshift_chooses_the_user() -> None:
    said, left = sidecar(scenario("okta"))["securityContext"], sidecar(scenario("openshift"))["securityContext"]
    assert {"runAsUser", "runAsGroup"} & left.keys() == set()
    assert said == left | {"runAsUser": 65532, "runAsGroup": 65532}


def test_resources_can_be_taken_away() -> None:
    assert sidecar(scenario("okta") | {"resources": {"limits": None}})["resources"] == {
        "requests": {"cpu": "10m", "memory": "64Mi"}
    }


@pytest.mark.parametrize(
    ("wait", "threshold"),
    [
        ("90s", 150), ("5m", 360), ("1h30m", 5460), ("1.5m", 150), ("500ms", 61), ("0s", 60), ("1m500ms", 121),
        ("1d", 86460), ("forever", NEVER), ("${WAIT}", NEVER), (None, 120),
    ],
)  # fmt: skip
def test_the_startup_probe_outlasts_the_brokers_own_wait(wait: str | None, threshold: int) -> None:
    assert sidecar(with_config(startup={"wait": wait} if wait else {}))["startupProbe"]["failureThreshold"] == threshold


@pytest.mark.parametrize("name", ["existing-configmap", "variables", "forever"])
def test_a_wait_that_is_not_known_never_restarts_the_broker(name: str) -> None:
    assert sidecar(scenario(name))["startupProbe"]["failureThreshold"] == NEVER


def test_a_wait_in_a_text_is_read() -> None:
    assert sidecar(scenario("text"))["startupProbe"]["failureThreshold"] == 150


@pytest.mark.parametrize("major", MAJORS)
def test_a_wait_in_a_text_that_is_no_duration_is_refused(major: Major) -> None:
    words = scenario("text")["config"].replace("1.5m", "90 seconds")
    said = refusal(workload(), {"token-broker": scenario("text") | {"config": words}}, major=major)
    assert 'token-broker.config.startup.wait: "90 seconds" is not a duration' in said


THRESHOLDS = """
{{- $sub := index .Subcharts "token-broker" -}}
{{- range .Values.waits }}
{{- $values := deepCopy $sub.Values -}}
{{- $_ := set $values "config" (mergeOverwrite (deepCopy $values.config) (dict "startup" (dict "wait" .))) -}}
{{- $scope := dict "Chart" $sub.Chart "Values" $values "Release" $.Release "Capabilities" $.Capabilities -}}
{{- $_ := set $scope "Template" $.Template }}
- {{ (include "token-broker.sidecar" $scope | fromYamlArray | first).startupProbe.failureThreshold | int64 }}
{{- end }}
"""


@pytest.fixture(scope="module")
def thresholds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chart_of(tmp_path_factory.mktemp("thresholds"), THRESHOLDS)


@settings(max_examples=12, phases=AS_FOUND)
@given(waits=st.lists(WAITS, min_size=30, max_size=60), major=st.sampled_from(MAJORS))
def test_the_startup_probe_is_always_a_minute_longer(thresholds: Path, waits: list[str], major: Major) -> None:
    waits = [wait for wait in waits if Wait.parse(wait) < 86400 * 300]
    made = printed(thresholds, {"waits": waits, "token-broker": scenario("okta")}, major)
    for wait, threshold in zip(waits, made, strict=True):
        assert Wait.parse(wait) + 60 <= threshold < math.ceil(Wait.parse(wait)) + 62
        assert threshold < NEVER


def test_a_configuration_that_changes_replaces_the_pods() -> None:
    assert annotation(attached(scenario("okta"))) != annotation(attached(with_config(log={"level": "debug"})))


@pytest.mark.parametrize("name", [name for name in ATTACHED if "config" in ATTACHED[name]])
def test_the_checksum_is_that_of_the_file(name: str) -> None:
    objects = attached(ATTACHED[name])
    (file,) = [found["data"]["config.yaml"] for found in objects if found["kind"] == "ConfigMap"]
    assert annotation(objects) == hashlib.sha256(file.encode()).hexdigest()


def test_what_is_not_in_the_file_replaces_no_pods() -> None:
    other = scenario("okta") | {"readinessProbe": {"enabled": True}, "tokens": ["default"], "fullnameOverride": "x"}
    other |= {"unixSocket": {"enabled": True}, "sinks": {"enabled": True}}
    assert annotation(attached(scenario("okta"))) == annotation(attached(other))


def test_pods_are_replaced_for_another_existing_configmap() -> None:
    one = scenario("existing-configmap")
    assert annotation(attached(one)) != annotation(attached(one | {"existingConfigMap": "other"}))


def mounted(values: dict[str, Any]) -> dict[str, str]:
    """Secret -> where it is mounted in the sidecar."""
    spec = of_kind(attached(values), "Deployment")["spec"]["template"]["spec"]
    paths = {mount["name"]: mount for mount in spec["initContainers"][0]["volumeMounts"]}
    secrets = {volume["name"]: volume["secret"] for volume in spec["volumes"] if "secret" in volume}
    assert all(paths[name]["readOnly"] for name in secrets)
    assert {secret["defaultMode"] for secret in secrets.values()} == {0o444}
    return {secret["secretName"]: paths[name]["mountPath"] for name, secret in secrets.items()}


def test_one_key_is_at_the_root() -> None:
    assert mounted(scenario("okta")) == {"okta-key": "/var/run/secrets/token-broker"}


def test_each_clients_key_is_in_its_folder() -> None:
    root = "/var/run/secrets/token-broker"
    assert mounted(scenario("many-clients")) == {
        "okta-key": f"{root}/okta",
        "okta-eu-key": f"{root}/okta.eu",
        "okta-eu-old-key": f"{root}/okta-eu",
        "auth0-key": f"{root}/auth_0",
        "partner-key": f"{root}/payments.partner-of-the-other-business-unit.sandbox.example-com",
    }


def test_a_key_that_the_chosen_tokens_do_not_need_is_not_mounted() -> None:
    assert mounted(scenario("some-tokens")) == {"auth0-key": "/var/run/secrets/token-broker/auth0"}


def test_items_choose_entries_and_names() -> None:
    volumes = of_kind(attached(scenario("pem-with-kid")), "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert volumes[0]["secret"]["items"] == [
        {"key": "tls.key", "path": "private-key.pem"},
        {"key": "kid", "path": "kid", "mode": 0o444},
    ]


VOLUMES = """
{{- range .Values.names }}
- {{ include "token-broker.keyVolume" . }}
{{- end }}
"""


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chart_of(tmp_path_factory.mktemp("volumes"), VOLUMES)


@settings(max_examples=10, phases=AS_FOUND)
@given(names=st.lists(NAMES, min_size=20, max_size=60, unique=True), major=st.sampled_from(MAJORS))
def test_every_clients_volume_has_a_name_of_its_own(volumes: Path, names: list[str], major: Major) -> None:
    alike = str.maketrans("._-", "_-.")  # what differs in these alone is near to becoming the same
    names = list(dict.fromkeys([*names, *(name.translate(alike) for name in names)]))
    made = printed(volumes, {"names": names}, major)
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in made)
    assert len(set(made)) == len(names)


def test_a_release_of_the_chart_itself_can_include_the_templates_too() -> None:
    (pod,) = [found for found in parsed(text(CHART, scenario("okta"))) if found["kind"] == "Pod"]
    assert pod["spec"]["initContainers"] == [sidecar(scenario("okta"))]
