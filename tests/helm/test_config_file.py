import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from broker.config import yaml12
from e2e.processes import COMMAND
from helm.chart import CHART, Major, Object, of_kind, rendered
from helm.scenarios import ATTACHED, attached, scenario, sidecar

BOTH = pytest.mark.parametrize("major", [3, 4])
WITH_CONFIG = [name for name, values in ATTACHED.items() if "config" in values]
#: What `valueFrom` would bring.
ELSEWHERE = {"CLIENT_ID": "0oa1b2c3d4", "POD_NAME": "app-0"}


def file_of(values: dict[str, Any], major: Major = 4) -> str:
    """The configuration file in the ConfigMap."""
    text: str = of_kind(rendered(CHART, values, major=major), "ConfigMap")["data"]["config.yaml"]
    return text


def environment(container: Object) -> dict[str, str]:
    """The container's variables, and none of this process' own for the broker."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOKEN_BROKER_")}
    return clean | {item["name"]: item.get("value", ELSEWHERE.get(item["name"], "")) for item in container["env"]}


@pytest.mark.parametrize("name", WITH_CONFIG)
def test_the_broker_accepts_the_file_and_the_variables(name: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(file_of(ATTACHED[name]))
    container = sidecar(ATTACHED[name])
    ran = subprocess.run(
        [COMMAND, "config", "show", "--config", file],
        env=environment(container), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    shown = yaml.safe_load(ran.stdout)
    port = container["startupProbe"]["httpGet"]["port"]
    assert all(address.endswith(f":{port}") for address in shown["admin"]["listen"])
    (told,) = of_kind(attached(ATTACHED[name]), "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    address, *sockets = shown["api"]["listen"]
    assert f"http://127.0.0.1:{address.rpartition(':')[2]}" == told["value"]
    enabled = ATTACHED[name].get("unixSocket", {}).get("enabled")
    assert sockets == (["unix:/run/token-broker/api.sock"] if enabled else [])


def test_the_broker_accepts_variables_alone(tmp_path: Path) -> None:
    environ = environment(sidecar(scenario("variables")))
    ran = subprocess.run(
        [COMMAND, "config", "show"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert yaml.safe_load(ran.stdout)["clients"]["default"]["client_id"] == "0oa1b2c3d4"


@BOTH
def test_a_text_is_taken_as_it_is(major: Major) -> None:
    assert file_of(scenario("text"), major) == scenario("text")["config"]


@BOTH
def test_blank_lines_at_the_end_of_a_text_change_nothing(major: Major) -> None:
    okta = scenario("text")
    with_blanks = okta | {"config": okta["config"] + "\n\n"}
    assert attached(with_blanks, major=major) == attached(okta, major=major)


@BOTH
def test_a_large_number_stays_a_number(major: Major) -> None:
    made = yaml12.parse(file_of(scenario("many-clients"), major), "config.yaml").tree
    assert made["api"]["max_connections"] == 1_000_000
    claims = made["clients"]["payments.partner-of-the-other-business-unit.sandbox.example-com"]["assertion"]["claims"]
    assert claims["tier"] == 1_000_000


@BOTH
def test_an_off_without_quotes_is_what_was_meant(major: Major) -> None:
    assert scenario("digest")["config"]["admin"]["status"] is False  # as YAML 1.1 has it
    assert 'status: "off"' in file_of(scenario("digest"), major)


@BOTH
def test_a_null_stays_where_it_means_something(major: Major) -> None:
    # The client's own null takes the environment's proxy, although there is another above.
    config = json.loads(json.dumps(scenario("okta")["config"]))
    config["http"] = {"proxy": "none"}
    config["clients"]["okta"]["http"] = {"proxy": None}
    for values in (
        rendered(CHART, scenario("okta") | {"config": config}, major=major),
        attached(scenario("okta") | {"config": config}, major=major),
    ):
        made = yaml12.parse(of_kind(values, "ConfigMap")["data"]["config.yaml"], "config.yaml").tree
        assert made["clients"]["okta"]["http"] == {"proxy": None}


#: What YAML 1.1, YAML 1.2 and JSON disagree about, among other texts.
TRICKY = st.sampled_from(
    [
        "off", "y", "No", "~", "null", "1e3", "0o17", "0123", "1_000", "12:30:45", ".5", "1.", "-0", "+1", "0x1F", "=",
        "<<", "2026-11-23", ".inf", "NaN", "'", '"', "\\", "${A}", "$$", "{{a}}", "", " ", "a: b", "a #b", "- a", "? a",
        "| a", "&a", "*a", "!a", "%a", "@a", "`a", "{a", "[a", "a\n", "\na", "a \n",
    ]
)  # fmt: skip
PRINTABLE = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn"), exclude_characters="\u2028\u2029\ufeff"), max_size=120
)
LINES = st.lists(PRINTABLE, min_size=1, max_size=4).map("\n".join)


@settings(max_examples=20, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(texts=st.lists(st.one_of(TRICKY, PRINTABLE, LINES), min_size=20, max_size=80), major=st.sampled_from([3, 4]))
def test_every_text_reaches_the_broker_unchanged(texts: list[str], major: Major) -> None:
    config = json.loads(json.dumps(scenario("okta")["config"]))
    # Helm drops blank lines at the end of a manifest, even from a text that has them.
    config["tokens"]["default"] |= {"scopes": [*texts, "end"], "parameters": {f"k{text}": text for text in texts}}
    made = yaml12.parse(file_of(scenario("okta") | {"config": config}, major), "config.yaml").tree
    assert made["tokens"]["default"] == config["tokens"]["default"]
