"""What the broker's container has in common with others: callers' secrets, a socket, files with tokens. Never a key."""

from pathlib import Path
from typing import Any

import pytest

from helm.chart import CHART, Major, Object, broker, of_kind, refusal, rendered
from helm.scenarios import Values, attached, scenario, sidecar, workload
from helm.snippets import chart_of, printed
from helm.test_sidecar import variables

BOTH = pytest.mark.parametrize("major", [3, 4])
MEMORY = {"medium": "Memory", "sizeLimit": "1Mi"}


def spec_of(values: Values, **options: Any) -> Object:
    spec: Object = of_kind(attached(values, **options), "Deployment")["spec"]["template"]["spec"]
    return spec


def volumes(spec: Object) -> dict[str, Object]:
    """Name -> what it is."""
    return {
        volume["name"]: {kind: content for kind, content in volume.items() if kind != "name"}
        for volume in spec["volumes"]
    }


def mounts(container: Object) -> dict[str, tuple[str, bool]]:
    """Volume -> where it is mounted, and whether it can be written to."""
    return {
        mount["name"]: (mount["mountPath"], not mount.get("readOnly")) for mount in container.get("volumeMounts", [])
    }


def containers(spec: Object) -> dict[str, dict[str, tuple[str, bool]]]:
    return {container["name"]: mounts(container) for container in spec["containers"]}


def changed(name: str, **sections: Any) -> Values:
    """A scenario with some sections of its configuration instead of its own."""
    values = scenario(name)
    return values | {"config": values["config"] | sections}


LONG = "night.shift_of-the-accounting-department.with-a-long-name"
CUT = "token-broker-caller-night-shift-of-the-accounting-depa-51115cc0"


def test_the_broker_finds_every_callers_secret_in_one_folder_that_rotates() -> None:
    spec = spec_of(scenario("callers"))
    assert mounts(broker(spec))["token-broker-callers"] == ("/var/run/secrets/callers", False)
    assert volumes(spec)["token-broker-callers"]["projected"] == {
        "defaultMode": 0o444,
        "sources": [
            {"secret": {"name": "42", "items": [{"key": "secret", "path": LONG}]}},
            {"secret": {"name": "shop-callers", "items": [{"key": "reports", "path": "reports"}]}},
        ],
    }
    assert "subPath" not in str(spec)


def test_a_caller_finds_its_own_secret_and_no_other_at_the_brokers_path() -> None:
    spec = spec_of(scenario("callers"))
    assert containers(spec) == {
        "workload": {},
        "caller-0": {"token-broker-caller-exporter": ("/var/run/secrets/created-callers/exporter", False)},
        "caller-1": {CUT: ("/var/run/secrets/callers", False)},
        "caller-2": {"token-broker-caller-reports": ("/var/run/secrets/callers", False)},
    }
    assert volumes(spec)["token-broker-caller-reports"]["secret"] == {
        "secretName": "shop-callers",
        "defaultMode": 0o444,
        "items": [{"key": "reports", "path": "reports"}],
    }


def test_a_secret_that_the_broker_makes_is_in_memory_and_only_the_broker_writes_there() -> None:
    spec = spec_of(scenario("callers"))
    assert mounts(broker(spec))["token-broker-caller-exporter"] == ("/var/run/secrets/created-callers/exporter", True)
    assert volumes(spec)["token-broker-caller-exporter"] == {"emptyDir": MEMORY}


def test_the_socket_is_listened_on_beside_the_port() -> None:
    container = sidecar(scenario("socket"))
    assert variables(container)["TOKEN_BROKER_API_LISTEN"] == "localhost:7180,unix:/run/token-broker/api.sock"
    assert mounts(container)["token-broker-socket"] == ("/run/token-broker", True)


def test_a_container_reaches_the_socket_and_cannot_put_another_in_its_place() -> None:
    spec = spec_of(scenario("socket"))
    assert containers(spec) == {"workload": {"token-broker-socket": ("/run/token-broker", False)}}
    assert volumes(spec)["token-broker-socket"] == {"emptyDir": MEMORY}
    assert spec["containers"][0]["env"] == [{"name": "TOKEN_BROKER_URL", "value": "http://127.0.0.1:7180"}]


def test_tokens_in_files_are_in_memory_and_only_the_broker_writes_them() -> None:
    spec = spec_of(scenario("sinks"))
    assert mounts(broker(spec))["token-broker-sinks"] == ("/shared/tokens", True)
    assert containers(spec)["workload"] == {
        "token-broker-socket": ("/run/token-broker", False),
        "token-broker-sinks": ("/shared/tokens", False),
    }
    assert volumes(spec)["token-broker-sinks"] == {"emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}


def test_nothing_is_shared_unless_it_is_asked_for() -> None:
    assert volumes(spec_of(scenario("okta"))).keys() == {"token-broker-key", "token-broker-config"}
    assert variables(sidecar(scenario("okta")))["TOKEN_BROKER_API_LISTEN"] == "localhost:7180"


def test_a_variable_can_take_the_port_away() -> None:
    only = {"extraEnv": [{"name": "TOKEN_BROKER_API_LISTEN", "value": "unix:/run/token-broker/api.sock"}]}
    assert variables(sidecar(scenario("socket") | only))["TOKEN_BROKER_API_LISTEN"] == "unix:/run/token-broker/api.sock"


def test_the_demo_and_injected_pods_share_nothing() -> None:
    shared = {name: scenario(file)[name] for name, file in {"callers": "callers", "unixSocket": "socket"}.items()}
    given = {"sinks": {"enabled": True}, "demo": {"enabled": True}, "injector": {"enabled": True}}
    plain = rendered(CHART, {"demo": {"enabled": True}, "injector": {"enabled": True}})
    assert rendered(CHART, shared | given) == plain


@BOTH
@pytest.mark.parametrize(
    ("call", "values", "sentence"),
    [
        (
            '"token-broker.socketMount" .',
            "okta",
            "socketMount is included, and token-broker.unixSocket.enabled is false",
        ),
        ('"token-broker.sinksMount" .', "socket", "sinksMount is included, and token-broker.sinks.enabled is false"),
        (
            '"token-broker.callerMount" .',
            "okta",
            'callerMount wants one of token-broker.callers: (dict "context" $ "cal',
        ),
        ('"token-broker.callerMount" .', "okta", "there is none"),
        (
            '"token-broker.callerMount" (dict "context" . "caller" "report")',
            "callers",
            f"there is exporter, {LONG}, reports",
        ),
        (
            '"token-broker.callerMount" (dict "context" . "tokens" (list "a"))',
            "callers",
            "token-broker.callerMount knows context and caller, not tokens",
        ),
        ('"token-broker.sidecar" (dict "context" . "caller" "a")', "callers", "knows context and tokens, not caller"),
    ],
)
def test_a_wrong_include_is_explained(tmp_path: Path, call: str, values: str, sentence: str, major: Major) -> None:
    chart = chart_of(tmp_path, "{{ include " + call + " }}")
    assert sentence in refusal(chart, {"token-broker": scenario(values)}, major=major)


OKTA: Values = scenario("okta")
USERS: Values = {"default": {"scopes": ["okta.users.read"]}}
SINK: Values = {"default": {"scopes": ["a"], "sinks": [{"path": "/run/tokens/default"}]}}


@BOTH
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            OKTA | {"callers": {"reports": {"existingSecret": "x"}}},
            "token-broker.callers has reports, and token-broker.config.api.callers has not: there is none",
        ),
        (
            changed("okta", api={"callers": {"reports": {"secret_file": "/var/run/secrets/callers/reports"}}}),
            "config.api.callers.reports.secret_file is /var/run/secrets/callers/reports, and nothing is mounted there;",
        ),
        (
            changed("okta", api={"callers": {"reports": {"secret_file": "/var/run/secrets/callers/reports"}}}),
            "name the Secret that holds it in token-broker.callers.reports.existingSecret, or write create: true there",
        ),
        (
            changed("okta", api={"callers": {"reports": {"secret_file": "/other/reports"}}})
            | {"callers": {"reports": {"existingSecret": "x"}}},
            "/var/run/secrets/token-broker/<entry of Secret okta-key>, /var/run/secrets/callers/reports",
        ),
        (
            changed("okta", api={"callers": {"reports": {"secret_file": "/var/run/secrets/callers/reports"}}})
            | {"callers": {"reports": {}}},
            "token-broker.callers.reports.existingSecret is to be the name of a Secret, which holds what the",
        ),
        (
            changed("okta", api={"callers": {"reports": {"secret_file": "/a"}}})
            | {"callers": {"reports": {"existingSecret": "x", "create": True}}},
            "token-broker.callers.reports has existingSecret and create: true; keep the Secret",
        ),
        (
            changed("okta", api={"callers": {"reports": {"secret_file": "/var/run/secrets/created-callers/reports/a"}}})
            | {"callers": {"reports": {"create": True}}},
            "callers.reports.create is true, and token-broker.config.api.callers.reports.create is not",
        ),
        (
            changed("okta", api={"callers": {"worker": {"uid": 0}}}),
            "config.api.callers.worker.uid is known on a Unix socket only; switch on token-broker.unixSocket.enabled",
        ),
        (
            changed("okta", tokens=SINK),
            "config.tokens.default.sinks[0].path is /run/tokens/default, and nothing is mounted there; mounted is",
        ),
        (changed("okta", tokens=SINK), "; switch on token-broker.sinks.enabled, and write into /run/tokens"),
        (
            changed("okta", tokens={"default": {"scopes": ["a"], "sinks": [{"path": "/run/tokens/a/b"}]}})
            | {"sinks": {"enabled": True}},
            "mounted is /var/run/secrets/token-broker/<entry of Secret okta-key>, /run/tokens/<file>",
        ),
        (
            OKTA | {"sinks": {"enabled": True, "mountPath": "/run/secrets/token-broker/tokens"}},
            "token-broker.sinks.mountPath is /run/secrets/token-broker/tokens, and the volume token-broker-key is",
        ),
        (
            scenario("socket") | {"sinks": {"enabled": True, "mountPath": "/run/token-broker/tokens"}},
            "sinks.mountPath is /run/token-broker/tokens, and the volume token-broker-socket is mounted at",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_a_sentence(values: Values, sentence: str, major: Major) -> None:
    assert sentence in refusal(workload(), {"token-broker": values}, major=major)


@pytest.mark.parametrize(
    "values",
    [
        changed("okta", api={"callers": {"worker": {"uid": 1}}})
        | {"extraEnv": [{"name": "TOKEN_BROKER_API_LISTEN", "value": "unix:/sockets/api.sock"}]},
        changed("okta", api={"callers": {"a": {"secret_file": "/mnt/a"}}})
        | {"extraVolumeMounts": [{"name": "mnt", "mountPath": "/mnt"}]},
        changed("okta", tokens=USERS | {"other": SINK["default"]}) | {"tokens": ["default"]},
        changed("okta", tokens={"default": {"scopes": ["a"], "sinks": [{"path": "${FOLDER}/a"}]}}),
    ],
    ids=["another socket", "another volume", "a sink of another token", "a variable"],
)
def test_what_comes_in_another_way_is_left_alone(values: Values) -> None:
    assert of_kind(rendered(CHART, values), "Pod")


def test_without_a_configuration_to_read_nothing_is_said_about_it() -> None:
    values = scenario("existing-configmap") | {"callers": {"a": {"existingSecret": "x"}, "b": {"create": True}}}
    assert mounts(broker(spec_of(values))).keys() >= {"token-broker-callers", "token-broker-caller-b"}


VOLUMES = """
{{- range .Values.names }}
- {{ include "token-broker.volumeName" (list "token-broker-caller" .) }}
{{- end }}
"""


def test_no_callers_volume_is_called_like_that_of_all(tmp_path: Path) -> None:
    made = printed(chart_of(tmp_path, VOLUMES), {"names": ["s", "a" * 43, "a" * 44, "a" * 63, "a.b", "a-b", "a_b"]})
    assert "token-broker-callers" not in made
    assert len(set(made)) == 7
    assert all(len(name) <= 63 for name in made)
