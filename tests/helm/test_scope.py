import re
import textwrap
from pathlib import Path

import pytest
import yaml

from helm.chart import CHART, Major, refusal
from helm.scenarios import scenario
from helm.snippets import chart_of, chart_with, printed, snippet

BOTH = pytest.mark.parametrize("major", [3, 4])
SIDECAR = '{{ include "token-broker.sidecar" . }}'


@BOTH
def test_an_alias_is_found_by_itself(tmp_path: Path, major: Major) -> None:
    chart = chart_of(tmp_path, SIDECAR, [{"alias": "broker"}])
    (container,) = printed(chart, {"broker": scenario("okta")}, major)
    assert container["name"] == "token-broker"


@BOTH
def test_a_sentence_names_values_as_the_values_file_does(tmp_path: Path, major: Major) -> None:
    chart = chart_of(tmp_path, SIDECAR, [{"alias": "broker"}])
    said = refusal(chart, {"broker": scenario("okta") | {"keys": {"okta": {"existingSecret": "x"}}}}, major=major)
    assert "broker.key and broker.keys are both set" in said


TWO = [{"alias": "one"}, {"alias": "two"}]


@BOTH
def test_of_two_dependencies_one_can_be_named(tmp_path: Path, major: Major) -> None:
    chart = chart_of(tmp_path, '{{ include "token-broker.volumes" (dict "context" (index .Subcharts "two")) }}', TWO)
    values = {"one": scenario("okta"), "two": scenario("digest") | {"key": {"existingSecret": "other"}}}
    key, config = printed(chart, values, major)
    assert key["secret"]["secretName"] == "other"
    assert config["configMap"]["name"] == "broker-config"


@BOTH
def test_of_two_dependencies_one_must_be_named(tmp_path: Path, major: Major) -> None:
    chart = chart_of(tmp_path, SIDECAR, TWO)
    said = refusal(chart, {"one": scenario("okta"), "two": scenario("digest")}, major=major)
    assert "depends on token-broker more than once" in said


@BOTH
def test_a_dependency_that_is_switched_off_is_told(tmp_path: Path, major: Major) -> None:
    # The templates are there, from the other dependency.
    chart = chart_of(tmp_path, '{{ include "token-broker.sidecar" (omit . "Subcharts") }}', TWO)
    said = refusal(chart, {"one": scenario("okta"), "two": scenario("digest")}, major=major)
    assert "the chart snippet has no dependency token-broker, or its condition is off" in said


@BOTH
def test_a_condition_can_be_among_the_values(tmp_path: Path, major: Major) -> None:
    chart = chart_of(
        tmp_path,
        '{{ if index .Values "token-broker" "enabled" }}{{ include "token-broker.sidecar" . }}{{ else }} []{{ end }}',
        [{"condition": "token-broker.enabled"}],
    )
    assert len(printed(chart, {"token-broker": scenario("okta") | {"enabled": True}}, major)) == 1
    assert printed(chart, {"token-broker": scenario("okta") | {"enabled": False}}, major) == []


@BOTH
def test_globals_of_the_parent_are_nobodys_mistake(tmp_path: Path, major: Major) -> None:
    values = {"global": {"tls": "-----BEGIN PRIVATE KEY-----"}, "token-broker": scenario("okta")}
    assert len(printed(chart_of(tmp_path, SIDECAR), values, major)) == 1


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ('"reports"', "token-broker.sidecar wants the scope of a chart; inside range and with that is $"),
        ("(dict)", "token-broker.sidecar wants the scope of a chart, or (dict"),
        ('(dict "tokens" (list "default"))', "token-broker.sidecar wants the scope of a chart, or (dict"),
        ('(dict "context" "my-app")', "token-broker.sidecar wants the scope of a chart, or (dict"),
        ('(dict "context" . "token" "default")', "token-broker.sidecar knows context and tokens, not token"),
        ('(dict "context" . "tokens" "default")', "token-broker.sidecar wants tokens as a list of names"),
        (
            '(dict "context" . "tokens" (list "default" "reports"))',
            'there is no token "reports" to choose; token-broker.config.tokens has default',
        ),
    ],
)
@BOTH
def test_a_wrong_call_is_explained(tmp_path: Path, call: str, sentence: str, major: Major) -> None:
    chart = chart_of(tmp_path, f'{{{{ include "token-broker.sidecar" {call} }}}}')
    assert sentence in refusal(chart, {"token-broker": scenario("okta")}, major=major)


@BOTH
def test_one_workload_chooses_its_tokens(tmp_path: Path, major: Major) -> None:
    call = '(dict "context" . "tokens" (list "users-api"))'
    template = "\n".join(f'{{{{ include "token-broker.{name}" {call} }}}}' for name in ("sidecar", "volumes"))
    sidecar, key, _ = printed(chart_of(tmp_path, template), {"token-broker": scenario("some-tokens")}, major)
    assert {"name": "TOKEN_BROKER_TOKENS", "value": "users-api"} in sidecar["env"]
    assert key["secret"]["secretName"] == "okta-key"
    assert [mount["name"] for mount in sidecar["volumeMounts"]] == ["token-broker-key-okta", "token-broker-config"]


@BOTH
def test_one_workload_chooses_all_tokens(tmp_path: Path, major: Major) -> None:
    chart = chart_of(tmp_path, '{{ include "token-broker.sidecar" (dict "context" . "tokens" list) }}')
    (sidecar,) = printed(chart, {"token-broker": scenario("some-tokens")}, major)
    assert "TOKEN_BROKER_TOKENS" not in [variable["name"] for variable in sidecar["env"]]


@BOTH
def test_a_cluster_without_native_sidecars_is_told_although_helm_asks_for_the_parent_only(
    tmp_path: Path, major: Major
) -> None:
    said = refusal(chart_of(tmp_path, SIDECAR), {"token-broker": scenario("okta")}, major=major, kubernetes="1.28")
    assert "token-broker.sidecar makes a native sidecar, which Kubernetes has from 1.29 on; this is v1.28" in said


@BOTH
def test_a_vendors_version_is_a_version(tmp_path: Path, major: Major) -> None:
    values = {"token-broker": scenario("okta")}
    chart = chart_of(tmp_path, SIDECAR)
    assert "1.28.9-gke.1" in refusal(chart, values, major=major, kubernetes="v1.28.9-gke.1")
    assert printed(chart, values, major)


def blocks() -> dict[str, str]:
    """The files that the chart's README shows, by the name in their first line."""
    shown = re.findall(r"```yaml\n# (\S+)\n(.*?)```", (CHART / "README.md").read_text(), re.DOTALL)
    return dict(shown)


@BOTH
def test_what_the_page_shows_works(tmp_path: Path, major: Major) -> None:
    shown = blocks()
    (dependency,) = yaml.safe_load(shown["Chart.yaml"])["dependencies"]
    assert dependency.keys() == {"name", "version", "repository"}
    chart = chart_with(tmp_path, "kind: Snippet\n" + shown["templates/deployment.yaml"])
    pod = snippet(chart, yaml.safe_load(shown["values.yaml"]), major)["spec"]["template"]
    assert pod["spec"]["initContainers"][0]["name"] == "token-broker"
    assert pod["spec"]["containers"] == [
        {"name": "my-app", "env": [{"name": "TOKEN_BROKER_URL", "value": "http://127.0.0.1:7180"}]}
    ]
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["token-broker-key", "token-broker-config"]
    assert pod["metadata"]["labels"].keys() == {"token-broker.dev/sidecar"}
    assert pod["metadata"]["annotations"].keys() == {"checksum/token-broker-config"}


@BOTH
def test_what_the_notes_show_works(tmp_path: Path, major: Major) -> None:
    said = (CHART / "templates/NOTES.txt").read_text()
    shown = said[said.index("  spec:\n    template:") : said.index("\nand the values of this chart")]
    template = re.sub(r'\{\{ print "(.*)" \}\}', lambda match: match[1].replace('\\"', '"'), textwrap.dedent(shown))
    chart = chart_with(tmp_path, "kind: Snippet\n" + template)
    pod = snippet(chart, {"token-broker": scenario("okta")}, major)["spec"]["template"]
    assert pod["spec"]["initContainers"][0]["name"] == "token-broker"
    assert pod["spec"]["containers"][0]["env"][0]["name"] == "TOKEN_BROKER_URL"
