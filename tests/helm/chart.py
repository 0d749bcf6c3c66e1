"""Helm over charts, as a session of tests wants it: no cluster, no network, each rendering done once."""

import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import yaml

from programs.installed import helm

Object: TypeAlias = dict[str, Any]
Major: TypeAlias = Literal[3, 4]
REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "helm/token-broker"
#: A Deployment that includes every template of the chart, and nothing more.
WORKLOAD = Path(__file__).parent / "workload"
#: Kubernetes releases: the oldest with native sidecars, with stable ones, with admission policies, and the newest.
VERSIONS = ("1.29", "1.33", "1.36", "1.37")
#: Kinds that a cluster may have, and that Helm, without one, is told it has; the latter come with Kubernetes 1.36.
OPERATOR = ("monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule")
POLICIES = (
    "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",
    "admissionregistration.k8s.io/v1/MutatingAdmissionPolicyBinding",
)


class _Loader(yaml.CSafeLoader):
    """As an API server reads: a key that is there twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        made = super().construct_mapping(node, deep=deep)
        if len(made) != len(node.value):
            raise yaml.constructor.ConstructorError(
                None, None, f"a key is there twice in {list(made)}", node.start_mark
            )
        return made


class RefusedError(Exception):
    """Helm's own words about a chart that it did not render."""


def helmed(major: Major, *arguments: str | Path) -> str:
    """What Helm prints. Raises RefusedError with what it says on stderr, and its warnings count as such."""
    home = str(Path(tempfile.gettempdir()) / f"helm-{os.getuid()}")
    homes = dict.fromkeys(("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"), home)
    quick = {"GOGC": "off"}  # it is gone before its garbage matters
    done = subprocess.run(
        [helm(major), *arguments],
        env={"PATH": os.environ["PATH"], **homes, **quick},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or "warning" in done.stderr.lower():
        raise RefusedError(done.stderr or done.stdout)
    return done.stdout


def text(
    chart: Path,
    values: Mapping[str, Any] | None = None,
    *,
    major: Major = 4,
    kubernetes: str = "1.36",
    release: str = "app",
) -> str:
    """The manifests as Helm prints them."""
    return _text(chart, json.dumps(values or {}, ensure_ascii=False), major, kubernetes, release)


@functools.cache
def _text(chart: Path, values: str, major: Major, kubernetes: str, release: str) -> str:
    minor = int(kubernetes.removeprefix("v").split(".")[1])
    offered = [f"--api-versions={kind}" for kind in (*OPERATOR, *(POLICIES if minor >= 36 else ()))]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(values)
        file.flush()
        said = ["--values", file.name, "--kube-version", kubernetes, *offered]
        return helmed(major, "template", release, chart, *said)


def rendered(
    chart: Path,
    values: Mapping[str, Any] | None = None,
    *,
    major: Major = 4,
    kubernetes: str = "1.36",
    release: str = "app",
) -> list[Object]:
    """The objects."""
    return parsed(text(chart, values, major=major, kubernetes=kubernetes, release=release))


def parsed(manifests: str) -> list[Object]:
    """The objects in what Helm printed; those of which nothing is left are not among them."""
    return [found for found in yaml.load_all(manifests, Loader=_Loader) if found]


def refusal(chart: Path, values: Mapping[str, Any] | None = None, *, major: Major = 4, kubernetes: str = "1.36") -> str:
    """Why Helm does not render this, in one line."""
    try:
        made = text(chart, values, major=major, kubernetes=kubernetes)
    except RefusedError as refused:
        return " ".join(str(refused).split())
    raise AssertionError(f"rendered all the same:\n{made}")


def copied(folder: Path) -> Path:
    """This repository's chart in `folder`, as a package of it would unpack."""
    return shutil.copytree(CHART, folder, ignore=shutil.ignore_patterns("ci"))


def with_dependency(chart: Path, folder: Path) -> Path:
    """A copy of `chart` in `folder`, with this repository's chart beneath it as `helm dependency update` leaves it."""
    made = shutil.copytree(chart, folder / chart.name)
    copied(made / "charts/token-broker")
    return made


def workloads(objects: list[Object]) -> Iterator[tuple[Object, Object]]:
    """Each object that is a Pod or makes Pods, with the Pod's spec."""
    for found in objects:
        spec = found.get("spec", {})
        for step in ("jobTemplate", "spec", "template", "spec"):
            if step in spec:
                spec = spec[step]
        if "containers" in spec:
            yield found, spec


def of_kind(objects: list[Object], kind: str) -> Object:
    """The one object of that kind."""
    (found,) = [found for found in objects if found["kind"] == kind]
    return found


def broker(spec: Object) -> Object:
    """The sidecar in a Pod's spec."""
    found: Object
    (found,) = [container for container in spec["initContainers"] if container["name"] == "token-broker"]
    return found


def hook(found: Object) -> bool:
    """Whether it is made for `helm test` only."""
    return "helm.sh/hook" in found["metadata"].get("annotations", {})
