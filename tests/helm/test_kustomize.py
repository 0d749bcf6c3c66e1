import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from broker.config import resolve
from helm.chart import REPOSITORY, WORKLOAD, of_kind, rendered, with_dependency
from programs.installed import kubectl

Json = dict[str, Any]
KUSTOMIZE = REPOSITORY / "helm/kustomize"
URL = {"name": "TOKEN_BROKER_URL", "value": "http://127.0.0.1:7180"}
KINDS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "Job": "batch/v1"}


def built(folder: Path) -> list[Json]:
    command: list[str | Path] = [kubectl(), "kustomize", folder]
    return list(yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def template(workload: Json) -> Json:
    """The Pod template, of a CronJob too."""
    spec = workload["spec"]
    found: Json = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]
    return found


def patched(folder: Path, workload: Json, **kustomization: Any) -> Json:
    """The workload as it is built with the component, among whatever else is built."""
    (folder / "workload.yaml").write_text(yaml.safe_dump(workload))
    (folder / "component").symlink_to(KUSTOMIZE / "component")
    kustomization = {"resources": ["workload.yaml"], "components": ["component"], **kustomization}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return of_kind(built(folder), workload["kind"])


def workload(kind: str, *containers: Json, label: str = "true", **spec: Any) -> Json:
    pod = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": list(containers), **spec}}
    metadata = {"name": "a", "labels": {"token-broker.dev/inject": label}}
    if kind == "CronJob":
        cron = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": pod}}}
        return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": cron}
    return {"apiVersion": KINDS[kind], "kind": kind, "metadata": metadata, "spec": {"template": pod}}


APP = {"name": "app", "image": "registry.example.com/app:1"}
REFUSED = "only-token-broker-may-mount-this"
MIGRATE = {"name": "migrate", "image": "registry.example.com/app:1"}


@pytest.fixture(scope="module")
def included(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The Pod template of a chart that includes the sidecar, for the Secret and ConfigMap of the component."""
    chart = with_dependency(WORKLOAD, tmp_path_factory.mktemp("chart"))
    values = {"key": {"existingSecret": "token-broker-key"}, "existingConfigMap": "token-broker-config"}
    return template(of_kind(rendered(chart, {"token-broker": values}), "Deployment"))


@pytest.mark.parametrize("kind", [*KINDS, "CronJob"])
def test_each_kind_of_workload_gets_what_a_chart_would_include(kind: str, included: Json, tmp_path: Path) -> None:
    made = template(patched(tmp_path, workload(kind, APP)))
    assert made["spec"]["initContainers"] == included["spec"]["initContainers"]
    assert made["spec"]["volumes"] == included["spec"]["volumes"]
    assert made["metadata"]["labels"] == {"app": "a", "token-broker.dev/sidecar": "true"}
    assert made["spec"]["containers"] == [{**APP, "env": [URL]}]


@pytest.mark.parametrize("volume", ["token-broker-key", "token-broker-config"])
@pytest.mark.parametrize("containers", ["containers", "initContainers"])
@pytest.mark.parametrize("kind", [*KINDS, "CronJob"])
def test_a_mount_of_the_brokers_volumes_is_one_that_kubernetes_refuses(
    kind: str, containers: str, volume: str, tmp_path: Path
) -> None:
    mounts = [{"name": name, "mountPath": f"/{place}"} for place, name in enumerate(("data", volume, volume))]
    given = workload(kind, APP)
    template(given)["spec"].setdefault(containers, []).append({**MIGRATE, "volumeMounts": mounts})
    made = template(patched(tmp_path, given))["spec"]
    assert [mount["name"] for mount in made[containers][-1]["volumeMounts"]] == ["data", REFUSED, REFUSED]
    assert REFUSED not in {volume["name"] for volume in made["volumes"]}
    (broker, *_) = made["initContainers"]
    assert [mount["name"] for mount in broker["volumeMounts"]] == ["token-broker-key", "token-broker-config"]


def test_the_sidecar_comes_before_the_init_containers_that_are_there(tmp_path: Path) -> None:
    made = template(patched(tmp_path, workload("Deployment", APP, initContainers=[MIGRATE])))
    assert [container["name"] for container in made["spec"]["initContainers"]] == ["token-broker", "migrate"]


def test_every_container_but_init_containers_is_told_the_url(tmp_path: Path) -> None:
    other = {"name": "other", "image": "b:1", "env": [{"name": "A", "value": "b"}]}
    made = template(patched(tmp_path, workload("StatefulSet", APP, other, initContainers=[MIGRATE])))
    assert [container["env"] for container in made["spec"]["containers"]] == [[URL], [{"name": "A", "value": "b"}, URL]]
    assert "env" not in made["spec"]["initContainers"][1]


@pytest.mark.parametrize("label", ["false", ""])
def test_a_workload_without_the_label_is_left_alone(label: str, tmp_path: Path) -> None:
    given = workload("Deployment", APP, label=label)
    assert patched(tmp_path, given) == given


def test_a_generated_configmap_and_secret_are_followed_under_their_new_names(tmp_path: Path) -> None:
    generated = {
        "configMapGenerator": [{"name": "token-broker-config", "literals": ["config.yaml={}"]}],
        "secretGenerator": [{"name": "token-broker-key", "literals": ["private-key.jwk=x"]}],
        "namePrefix": "shop-",
    }
    key, config = template(patched(tmp_path, workload("CronJob", APP), **generated))["spec"]["volumes"]
    assert key["secret"]["secretName"].startswith("shop-token-broker-key-")
    assert config["configMap"]["name"].startswith("shop-token-broker-config-")


def test_nothing_but_the_workloads_of_the_user_is_built(tmp_path: Path) -> None:
    patched(tmp_path, workload("Deployment", APP))
    assert [made["kind"] for made in built(tmp_path)] == ["Deployment"]


@pytest.mark.parametrize("kubernetes", ["1.29", "1.33", "1.36", "1.37"])
def test_the_example_is_what_kubernetes_knows_in_each_field(kubernetes: str) -> None:
    for made in built(KUSTOMIZE / "example"):
        kubernetes_validate.validate(made, kubernetes, strict=True)


def test_the_example_names_its_registry_and_gives_one_workload_one_of_the_tokens() -> None:
    made = built(KUSTOMIZE / "example")
    every, one = (template(of_kind(made, kind))["spec"]["initContainers"][0] for kind in ("Deployment", "CronJob"))
    assert every["image"] == one["image"]
    assert every["image"].startswith("registry.acme.example/token-broker:")
    assert {"name": "TOKEN_BROKER_TOKENS", "value": "reports"} in one["env"]
    assert all(variable["name"] != "TOKEN_BROKER_TOKENS" for variable in every["env"])


def test_the_configuration_of_the_example_loads() -> None:
    settings = resolve.load(str(KUSTOMIZE / "example/config.yaml"), {})
    assert set(settings.tokens) == {"users-api", "reports"}
