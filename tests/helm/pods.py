"""Pods as people might write them, drawn by hypothesis.

Each is one that the API server takes without the injector, but for a mount of a volume that the Pod does not have: in
some it is one that the injector would bring.
"""

import string
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
NAMES = st.text(string.ascii_lowercase, min_size=2, max_size=8)
#: Hardly ever one that is taken by the sidecar or its volumes.
OFTEN_FREE = st.one_of(*[NAMES] * 14, st.sampled_from(["token-broker", "token-broker-key", "token-broker-x"]))
#: Mostly free ones, and the broker's.
PORTS = st.sampled_from([80, 443, 3000, 8000, 8080, 8443, 9090, 9100, 7180, 7181])
VARIABLES = st.sampled_from(["TOKEN_BROKER_URL", "PATH", "LOG_LEVEL", "TOKEN_BROKER_TOKENS"])
#: What a Pod says of the node it runs on.
NODE: st.SearchStrategy[Json] = st.sampled_from(
    [
        *[{}] * 8,
        {"hostNetwork": False, "shareProcessNamespace": False, "os": {"name": "linux"}},
        {"hostNetwork": True},
        {"hostPID": True},
        {"shareProcessNamespace": True},
        {"os": {"name": "windows"}},
    ]
)


def _variable(name: str) -> st.SearchStrategy[Json]:
    field = {"fieldRef": {"fieldPath": "metadata.name"}}
    return st.sampled_from([{"name": name, "value": "x"}, {"name": name}, {"name": name, "valueFrom": field}])


def _container(name: str) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {"name": st.just(name), "image": st.just("registry.example.com/app:1")},
        optional={
            "env": st.lists(VARIABLES, unique=True, max_size=3).flatmap(
                lambda names: st.tuples(*map(_variable, names)).map(list)
            ),
            "ports": st.lists(PORTS.map(lambda port: {"containerPort": port}), max_size=1),
            "args": st.lists(st.text(string.printable, max_size=5), max_size=2),
        },
    )


@st.composite
def _mounts(draw: st.DrawFn, volumes: list[str]) -> list[Json]:
    """Of the Pod's own volumes, and hardly ever of one that is still to come."""
    names = [*volumes, "token-broker-key"] if draw(st.integers(0, 19)) == 0 else volumes
    chosen = draw(st.lists(st.sampled_from(names), max_size=2)) if names else []
    return [{"name": name, "mountPath": f"/{place}"} for place, name in enumerate(chosen)]


def _containers(names: list[str]) -> st.SearchStrategy[list[Json]]:
    return st.tuples(*map(_container, names)).map(list)


@st.composite
def _spec(draw: st.DrawFn) -> Json:
    names = draw(st.lists(OFTEN_FREE, min_size=1, max_size=4, unique=True))
    cut = draw(st.integers(1, len(names)))
    spec: Json = {"containers": draw(_containers(names[:cut]))}
    if len(names) > cut or draw(st.booleans()):
        spec["initContainers"] = draw(_containers(names[cut:]))
        for container in spec["initContainers"]:
            if draw(st.booleans()):
                container["restartPolicy"] = "Always"
    if draw(st.booleans()):
        volumes = draw(st.lists(OFTEN_FREE, unique=True, max_size=2))
        spec["volumes"] = [{"name": name, "emptyDir": {}} for name in volumes]
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        if mounts := draw(_mounts(volumes)):
            container["volumeMounts"] = mounts
    return spec | draw(NODE)


ANNOTATIONS: dict[Any, st.SearchStrategy[Any]] = {
    "token-broker.dev/key-secret": st.sampled_from([*["mine", "okta.key-1"] * 6, "", "Not_a_name"]),
    "token-broker.dev/config": st.sampled_from([*["mine", "a-config"] * 6, "", "-no"]),
    "token-broker.dev/tokens": st.sampled_from([*["reports", "a,b", "users-api, reports"] * 4, "", "A", "a b"]),
    "example.com/other": st.text(max_size=5),
}
LABELLED: dict[Any, st.SearchStrategy[Any]] = {"token-broker.dev/inject": st.just("true")}
LABELS: dict[Any, st.SearchStrategy[Any]] = {"app": NAMES, "token-broker.dev/sidecar": st.just("false")}
METADATA = st.fixed_dictionaries(
    {"name": st.just("pod"), "labels": st.fixed_dictionaries(LABELLED, optional=LABELS)},
    optional={"annotations": st.fixed_dictionaries({}, optional=ANNOTATIONS)},
)
#: Each has the label that asks for injection.
PODS: st.SearchStrategy[Json] = st.fixed_dictionaries({"metadata": METADATA, "spec": _spec()})
