import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e.processes import COMMAND
from helm.chart import REPOSITORY, VERSIONS, Major, Object, broker, helmed, of_kind, rendered, workloads
from helm.invariants import breaches, misfits, unrestricted

EXAMPLES = REPOSITORY / "helm/examples"
CHARTS = sorted(file.parent.name for file in EXAMPLES.glob("*/Chart.yaml"))
MAJORS: tuple[Major, ...] = (3, 4)


@pytest.fixture(scope="module", params=MAJORS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Major]:
    """The examples beside the chart, as in the repository, with their dependencies fetched by one Helm."""
    copied = tmp_path_factory.mktemp("helm")
    for name in ("token-broker", "examples"):
        shutil.copytree(
            REPOSITORY / "helm" / name, copied / name, ignore=shutil.ignore_patterns("charts", "Chart.lock")
        )
    for chart in CHARTS:
        helmed(request.param, "dependency", "update", copied / "examples" / chart)
    return copied / "examples", request.param


def objects(folder: tuple[Path, Major], chart: str, kubernetes: str = "1.36") -> list[Object]:
    return rendered(folder[0] / chart, major=folder[1], kubernetes=kubernetes)


def pods(found: list[Object]) -> dict[str, Object]:
    """Kind -> the spec of its Pods."""
    return {made["kind"]: spec for made, spec in workloads(found)}


@pytest.mark.parametrize("chart", CHARTS)
def test_an_example_is_what_kubernetes_takes(folder: tuple[Path, Major], chart: str) -> None:
    for kubernetes in VERSIONS:
        made = objects(folder, chart, kubernetes)
        assert list(misfits(made, kubernetes)) == []
        assert list(breaches(made)) == []
    helmed(folder[1], "lint", "--strict", folder[0] / chart)


@pytest.mark.parametrize("chart", CHARTS)
def test_both_helms_make_the_same_of_an_example(chart: str, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "helm", tmp_path, dirs_exist_ok=True)
    made = []
    for major in MAJORS:
        helmed(major, "dependency", "update", tmp_path / "examples" / chart)
        made.append(rendered(tmp_path / "examples" / chart, major=major))
    assert made[0] == made[1]


@pytest.mark.parametrize("chart", CHARTS)
def test_every_broker_of_an_example_is_restricted(folder: tuple[Path, Major], chart: str) -> None:
    for spec in pods(objects(folder, chart)).values():
        assert list(unrestricted(spec, broker(spec))) == []


@pytest.mark.parametrize("chart", CHARTS)
def test_the_broker_accepts_the_configuration_of_an_example(
    folder: tuple[Path, Major], chart: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(of_kind(objects(folder, chart), "ConfigMap")["data"]["config.yaml"])
    shown = subprocess.run([COMMAND, "config", "show", "--config", file], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")


def secrets(spec: Object) -> dict[str, str]:
    """Secret -> where the broker finds it."""
    paths = {mount["name"]: mount["mountPath"] for mount in broker(spec)["volumeMounts"]}
    return {volume["secret"]["secretName"]: paths[volume["name"]] for volume in spec["volumes"] if "secret" in volume}


def chosen(spec: Object) -> list[Any]:
    return [item["value"] for item in broker(spec)["env"] if item["name"] == "TOKEN_BROKER_TOKENS"]


def test_one_token_in_a_deployment(folder: tuple[Path, Major]) -> None:
    spec = pods(objects(folder, "one-token"))["Deployment"]
    assert secrets(spec) == {"users-okta-key": "/var/run/secrets/token-broker"}
    assert chosen(spec) == []


def test_a_statefulset_has_every_key_and_its_cronjob_the_one_it_needs(folder: tuple[Path, Major]) -> None:
    made = pods(objects(folder, "five-tokens"))
    okta, partner = {"directory-okta-key": "okta"}, {"directory-partner-key": "partner"}
    root = "/var/run/secrets/token-broker"
    assert secrets(made["StatefulSet"]) == {name: f"{root}/{client}" for name, client in (okta | partner).items()}
    assert chosen(made["StatefulSet"]) == []
    assert secrets(made["CronJob"]) == {"directory-partner-key": f"{root}/partner"}
    assert chosen(made["CronJob"]) == ["invoices"]


def test_the_broker_starts_before_all_that_may_ask_it(folder: tuple[Path, Major]) -> None:
    for chart in CHARTS:
        for kind, spec in pods(objects(folder, chart)).items():
            containers: list[Object] = [*spec["initContainers"], *spec["containers"]]
            first, *others = containers
            assert first["name"] == "token-broker"
            if kind != "Pod":  # the test asks the admin listener
                assert all(
                    {"name": "TOKEN_BROKER_URL", "value": "http://127.0.0.1:7180"} in one["env"] for one in others
                )


def test_all_workloads_share_one_configuration(folder: tuple[Path, Major]) -> None:
    made = objects(folder, "five-tokens")
    templates = [
        made["spec"].get("jobTemplate", made)["spec"]["template"]
        for made in made
        if made["kind"] in {"StatefulSet", "CronJob"}
    ]
    assert len({template["metadata"]["annotations"]["checksum/token-broker-config"] for template in templates}) == 1


def test_a_release_may_be_called_like_a_number(folder: tuple[Path, Major]) -> None:
    for chart in CHARTS:
        made = rendered(folder[0] / chart, major=folder[1], release="42")
        assert list(misfits(made, "1.36")) == []


def test_no_pod_of_an_example_gets_a_token_of_the_api_server(folder: tuple[Path, Major]) -> None:
    for chart in CHARTS:
        for spec in pods(objects(folder, chart)).values():
            assert spec["automountServiceAccountToken"] is False
