import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helm.api_server import ApiServer, built, running
from helm.chart import CHART, REPOSITORY, Major, Object, of_kind, rendered, workloads
from helm.scenarios import ATTACHED, Values, scenario, workload
from helm.test_examples import CHARTS

MAJORS: tuple[Major, ...] = (3, 4)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    program = built(tmp_path_factory.mktemp("program"))
    with running(program, tmp_path_factory.mktemp("server")) as server:
        server.kubectl("create", "namespace", "restricted")
        server.kubectl("label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted")
        yield server
    program.unlink()  # 100 MB, and pytest keeps the folders of three runs


def values_file(folder: Path, values: Values) -> Path:
    file = folder / "values.json"
    file.write_text(json.dumps({"token-broker": values}))
    return file


def deployment(server: ApiServer, name: str) -> Object:
    found: Object = json.loads(server.kubectl("get", "deployment", name, "--output=json"))
    return found


def env(server: ApiServer, name: str) -> list[dict[str, Any]]:
    (sidecar,) = deployment(server, name)["spec"]["template"]["spec"]["initContainers"]
    found: list[dict[str, Any]] = sidecar["env"]
    return found


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("name", ATTACHED)
def test_a_real_cluster_stores_every_scenario(server: ApiServer, name: str, major: Major, tmp_path: Path) -> None:
    release = f"{name}-{major}"
    server.helm(major, "install", release, workload(), "--values", values_file(tmp_path, ATTACHED[name]))
    pod = deployment(server, release)["spec"]["template"]
    assert server.taken({"metadata": {"name": release}, "spec": pod["spec"]})
    assert pod["spec"]["initContainers"][0]["restartPolicy"] == "Always"
    server.helm(major, "uninstall", release)


@pytest.mark.parametrize("name", [name for name in ATTACHED if name not in {"csi", "variables"}])
def test_the_pod_of_helm_test_passes_pod_security_restricted(server: ApiServer, name: str) -> None:
    pod = of_kind(rendered(CHART, ATTACHED[name]), "Pod")
    assert server.taken({"metadata": {"name": "test"}, "spec": pod["spec"]}, namespace="restricted")


@pytest.mark.parametrize("chart", CHARTS)
def test_every_pod_of_an_example_passes_pod_security_restricted(server: ApiServer, chart: str, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "helm", tmp_path, dirs_exist_ok=True)
    server.helm(4, "dependency", "update", tmp_path / "examples" / chart)
    server.helm(4, "install", chart, tmp_path / "examples" / chart)
    for found, spec in workloads(rendered(tmp_path / "examples" / chart)):
        claimed = found["spec"].get("volumeClaimTemplates", [])
        claims = [{"name": claim["metadata"]["name"], "emptyDir": {}} for claim in claimed]
        pod = spec | {"volumes": [*spec["volumes"], *claims]}
        assert server.taken({"metadata": {"name": "one"}, "spec": pod}, namespace="restricted")
    server.helm(4, "uninstall", chart)


@pytest.mark.parametrize("majors", [(3, 4), (4, 3), (4, 4)])
def test_a_release_is_upgraded_with_variables_that_come_and_go(
    server: ApiServer, majors: tuple[Major, Major], tmp_path: Path
) -> None:
    release = f"upgraded-{majors[0]}-{majors[1]}"
    more = scenario("extra-env")
    before, after = values_file(tmp_path, scenario("okta")), tmp_path / "after.json"
    after.write_text(json.dumps({"token-broker": more}))
    server.helm(majors[0], "install", release, workload(), "--values", before)
    plain = env(server, release)
    server.helm(majors[1], "upgrade", release, workload(), "--values", after)
    assert {variable["name"] for variable in env(server, release)} > {variable["name"] for variable in more["extraEnv"]}
    server.helm(majors[1], "upgrade", release, workload(), "--values", before)
    assert env(server, release) == plain
