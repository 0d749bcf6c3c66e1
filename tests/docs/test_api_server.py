"""The documents' objects before a real API server, which has no nodes: what it takes, and whom it keeps from what."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from docs.examples import Object, Render, examples, templates
from docs.pages import GUIDE, Block
from helm.api_server import ApiServer, RefusedError, built, running

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


KEY = {"name": "token-broker-key", "mountPath": "/key"}
#: Rights through which a token or the key can be had, and those that the built-in role edit lacks.
SPARED = {"patch pods/ephemeralcontainers", "get nodes/proxy"}
WAYS = [
    *("get secrets", "list secrets", "create pods", "create deployments", "patch deployments", "create jobs"),
    *("create pods/exec", "create pods/portforward", *sorted(SPARED)),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    program = built(tmp_path_factory.mktemp("program"))
    with running(program, tmp_path_factory.mktemp("server"), "--authorization-mode=RBAC") as server:
        for namespace in ("shop", "monitoring"):
            server.kubectl("create", "namespace", namespace)
        yield server


def applied(server: ApiServer, found: Object, *arguments: str) -> str:
    namespace = found["metadata"].get("namespace", "shop")
    return server.kubectl(
        "apply", "--validate=strict", "-n", namespace, *arguments, "-f", "-", given=yaml.safe_dump(found)
    )


@pytest.mark.parametrize(
    "page", sorted({example.block.page for example in examples("object")}), ids=lambda page: page.stem
)
def test_it_takes_every_object_of_a_page(server: ApiServer, page: Path) -> None:
    for example in examples("object"):
        if example.block.page == page:
            assert "created" in applied(server, example.content, "--dry-run=server"), example


@pytest.mark.parametrize(("template", "values"), templates(), ids=[str(template) for template, _ in templates()])
def test_it_takes_every_application(server: ApiServer, template: Block, values: Object, render: Render) -> None:
    for found in render(template, values):
        found["metadata"]["namespace"] = "shop"
        assert "created" in applied(server, found, "--dry-run=server")


def guide_object(kind: str, name: str) -> Object:
    return next(
        example.content
        for example in examples("object")
        if example.block.page == GUIDE
        and example.content["metadata"]["name"] == name
        and example.content["kind"] == kind
    )


@pytest.fixture(scope="module")
def pod(server: ApiServer) -> str:
    """The Pod of the guide, stored; nobody will run it."""
    applied(server, guide_object("Pod", "shop"))
    return "shop"


def test_the_pod_written_by_hand_passes_pod_security_restricted(server: ApiServer) -> None:
    server.kubectl("create", "namespace", "restricted")
    server.kubectl("label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted")
    found = guide_object("Pod", "shop")
    found["metadata"]["namespace"] = "restricted"
    with pytest.raises(RefusedError, match=r'container "shop" must') as refused:
        applied(server, found)
    assert '"token-broker"' not in str(refused.value)
    found["spec"]["containers"][0]["securityContext"] = RESTRICTED
    assert "created" in applied(server, found)


@pytest.fixture(scope="module")
def said_without_the_policy(server: ApiServer) -> str:
    """What is said of a debug container that mounts the key, before there is a policy."""
    found = guide_object("Pod", "shop")
    found["metadata"]["name"] = "unguarded"
    applied(server, found)
    return debugging(server, "unguarded", "first", volumeMounts=[KEY])


@pytest.fixture(scope="module")
def guarded(server: ApiServer, pod: str, said_without_the_policy: str) -> ApiServer:
    """With the guide's policy in force, and not before it was seen what it is for."""
    assert said_without_the_policy == ""
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        applied(server, guide_object(kind, "token-broker-key"))
    for _ in range(100):
        if "private key" in refusal(server, "exec", pod, "-c", "token-broker", "--", "true"):
            return server
    raise AssertionError("the policy did not come into force")


def refusal(server: ApiServer, *arguments: str) -> str:
    """Why this cannot be done in the namespace of the guide, "" if it can."""
    try:
        server.kubectl("-n", "shop", *arguments)
    except RefusedError as refused:
        return str(refused)
    return ""


def debugging(server: ApiServer, pod: str, name: str, **container: object) -> str:
    """What is said of a debug container that is added to the Pod, "" if it is."""
    patch = {"spec": {"ephemeralContainers": [{"name": name, "image": "debug:1", **container}]}}
    return refusal(server, "patch", "pod", pod, "--subresource=ephemeralcontainers", "-p", yaml.safe_dump(patch))


def test_a_debug_container_may_mount_the_key_where_nobody_forbids_it(said_without_the_policy: str) -> None:
    assert said_without_the_policy == ""


def test_the_policy_refuses_exec_into_the_broker_only(guarded: ApiServer, pod: str) -> None:
    assert "holds a private key" in refusal(guarded, "exec", pod, "-c", "token-broker", "--", "true")
    assert "holds a private key" in refusal(guarded, "attach", pod, "-c", "token-broker")
    said = refusal(guarded, "exec", pod, "-c", "shop", "--", "true")
    assert "does not have a host assigned" in said  # it came past the policy, and there are no nodes


def test_the_policy_refuses_debug_containers_that_reach_for_the_key_only(guarded: ApiServer, pod: str) -> None:
    assert "may neither mount" in debugging(guarded, pod, "second", volumeMounts=[KEY])
    assert "may neither mount" in debugging(guarded, pod, "third", targetContainerName="token-broker")
    assert debugging(guarded, pod, "fourth", targetContainerName="shop") == ""


@pytest.mark.parametrize(
    ("role", "has", "has_not"),
    [
        ("on-call-without-tokens", ["get pods/log", "delete pods", "create pods/eviction"], WAYS),
        ("system:aggregate-to-view", ["get pods/log", "get configmaps"], WAYS),
        ("system:aggregate-to-edit", sorted(set(WAYS) - SPARED), sorted(SPARED)),
    ],
)
def test_a_role_has_what_the_guide_says(server: ApiServer, role: str, has: list[str], has_not: list[str]) -> None:
    if role == "on-call-without-tokens":
        applied(server, guide_object("ClusterRole", role))
    user = f"user-of-{role.replace(':', '-')}"
    server.kubectl("create", "clusterrolebinding", user, f"--clusterrole={role}", f"--user={user}")
    rights = (*has, *has_not)
    assert {right for right in rights if may(server, user, right)} == set(has)


def may(server: ApiServer, user: str, right: str) -> bool:
    verb, _, what = right.partition(" ")
    resource, _, subresource = what.partition("/")
    asked = ("auth", "can-i", verb, resource, f"--subresource={subresource}", f"--as={user}")
    with suppress(RefusedError):  # which is how kubectl ends when it says no
        return server.kubectl("-n", "shop", *asked).strip() == "yes"
    return False
