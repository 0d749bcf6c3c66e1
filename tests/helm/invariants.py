"""What holds for every manifest that the chart has a part in; each function yields sentences about what does not."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

import kubernetes_validate

from helm.chart import Object, workloads

NAMED = re.compile(r"\S+:[\w][\w.-]*(@sha256:[0-9a-f]{64})?|\S+@sha256:[0-9a-f]{64}")
#: The parts of the Prometheus Operator's kinds that the chart may write; no schema of theirs is at hand.
MONITOR = {"attachMetadata", "jobLabel", "namespaceSelector", "podMetricsEndpoints", "podTargetLabels", "selector"}
ENDPOINT = {"honorLabels", "interval", "metricRelabelings", "path", "port", "relabelings", "scheme", "scrapeTimeout"}
RULE = {"alert", "annotations", "expr", "for", "keep_firing_for", "labels"}


def misfits(objects: list[Object], kubernetes: str) -> Iterator[str]:
    """What an API server of that release would refuse or drop."""
    for found in objects:
        named = f"{found['kind']} {found['metadata']['name']}"
        if found["apiVersion"].startswith("monitoring.coreos.com/"):
            yield from (f"{named}: {wrong}" for wrong in _operator(found))
            continue
        try:
            kubernetes_validate.validate(found, kubernetes, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{named} does not fit {kubernetes}: {error}"
        yield from (f"{named} has null at {place}" for place in _nulls(found, ""))


def _operator(found: Object) -> Iterator[str]:
    spec = found["spec"]
    match found["kind"]:
        case "PodMonitor":
            yield from (f"spec.{key}" for key in spec.keys() - MONITOR)
            for endpoint in spec["podMetricsEndpoints"]:
                yield from (f"podMetricsEndpoints.{key}" for key in endpoint.keys() - ENDPOINT)
        case "PrometheusRule":
            yield from (f"spec.{key}" for key in spec.keys() - {"groups"})
            for group in spec["groups"]:
                yield from (f"groups.{key}" for key in group.keys() - {"interval", "name", "rules"})
                for rule in group["rules"]:
                    yield from (f"rules.{key}" for key in rule.keys() - RULE)
        case other:
            yield f"{other} is not known here"


def _nulls(value: object, place: str) -> Iterator[str]:
    if value is None:
        yield place
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _nulls(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _nulls(inner, f"{place}[{position}]")


def breaches(objects: list[Object]) -> Iterator[str]:
    """Of the rules below, in every workload, hooks too."""
    names = Counter((found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"]) for found in objects)
    yield from (f"{name} is there twice" for name, count in names.items() if count > 1)
    for found, spec in workloads(objects):
        named = f"{found['kind']} {found['metadata']['name']}"
        claims = {claim["metadata"]["name"] for claim in found["spec"].get("volumeClaimTemplates", [])}
        yield from (f"{named}: {wrong}" for wrong in _volumes_are_there(spec, claims))
        for rule in (_keys_are_the_brokers, _containers, _no_probe_asks_for_tokens):
            yield from (f"{named}: {wrong}" for wrong in rule(spec))


def _each(spec: Object) -> Iterator[Object]:
    return chain(spec.get("initContainers", []), spec["containers"])


def _keys_are_the_brokers(spec: Object) -> Iterator[str]:
    brought = {volume["name"] for volume in spec.get("volumes", []) if {"secret", "csi", "projected"} & volume.keys()}
    # One caller's secret is that caller's too; all of them together are not.
    secrets = {name for name in brought if not name.startswith("token-broker-caller-")}
    for container in _each(spec):
        mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        if container["name"] != "token-broker" and mounts & secrets:
            yield f"{container['name']} mounts {mounts & secrets}"


def _volumes_are_there(spec: Object, claims: set[str]) -> Iterator[str]:
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    yield from (f"volume {name} is there twice" for name, count in Counter(volumes).items() if count > 1)
    yield from (
        f"{name} is no DNS label" for name in volumes if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)
    )
    for container in _each(spec):
        mounts = container.get("volumeMounts", [])
        yield from (f"{mount['name']} is no volume" for mount in mounts if mount["name"] not in claims.union(volumes))
        paths = Counter(mount["mountPath"] for mount in mounts)
        yield from (f"{path} is mounted twice" for path, count in paths.items() if count > 1)


def _containers(spec: Object) -> Iterator[str]:
    for container in _each(spec):
        name = container["name"]
        if not NAMED.fullmatch(container["image"]):
            yield f"{name} runs {container['image']}, without tag and digest"
        env = Counter(variable["name"] for variable in container.get("env", []))
        yield from (f"{name} has {variable} twice" for variable, count in env.items() if count > 1)
        yield from (
            f"{name} limits CPU" for limited in [container.get("resources", {}).get("limits", {})] if "cpu" in limited
        )


def _no_probe_asks_for_tokens(spec: Object) -> Iterator[str]:
    for container in _each(spec):
        for probe in ("startupProbe", "livenessProbe"):
            if container.get(probe, {}).get("httpGet", {}).get("path", "").startswith("/readyz"):
                yield f"{container['name']}'s {probe} restarts it for want of a token"


def unrestricted(spec: Object, container: Object) -> Iterator[str]:
    """What Pod Security "restricted" has against this container of a Pod that says nothing by itself."""
    said = container.get("securityContext", {})
    wanted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    yield from (
        f"{container['name']}: {key} is {said.get(key)}" for key, value in wanted.items() if said.get(key) != value
    )
    yield from (f"{container['name']}: {key}" for key in said.keys() - wanted.keys() - {"runAsUser", "runAsGroup"})
    yield from (
        f"the Pod sets {key}" for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace") if key in spec
    )
    yield from (f"volume {volume['name']} is of the host" for volume in spec.get("volumes", []) if "hostPath" in volume)
