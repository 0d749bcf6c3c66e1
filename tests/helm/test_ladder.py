from collections.abc import Iterator

import pytest
import yaml

from helm.chart import CHART, VERSIONS, Major, RefusedError, helmed, refusal, rendered, text, workloads
from helm.invariants import breaches, misfits, unrestricted
from helm.scenarios import ATTACHED, SCENARIOS, attached

MAJORS: tuple[Major, ...] = (3, 4)
#: What only newer clusters have.
SINCE = {"injector": "1.36", "platform": "1.36"}


def rungs() -> Iterator[tuple[str, Major, str]]:
    for name in SCENARIOS:
        for major in MAJORS:
            for kubernetes in VERSIONS:
                if kubernetes >= SINCE.get(name, "1.29"):
                    yield name, major, kubernetes


@pytest.mark.parametrize(("name", "major", "kubernetes"), list(rungs()))
def test_every_scenario_is_what_kubernetes_takes(name: str, major: Major, kubernetes: str) -> None:
    objects = (
        attached(ATTACHED[name], major=major, kubernetes=kubernetes)
        if name in ATTACHED
        else rendered(CHART, SCENARIOS[name], major=major, kubernetes=kubernetes)
    )
    assert list(misfits(objects, kubernetes)) == []
    assert list(breaches(objects)) == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_both_helms_render_the_same_objects(name: str) -> None:
    three, four = (rendered(CHART, SCENARIOS[name], major=major) for major in MAJORS)
    assert three == four
    if name in ATTACHED:
        three, four = (attached(ATTACHED[name], major=major) for major in MAJORS)
        assert three == four


@pytest.mark.parametrize("major", MAJORS)
def test_lint_finds_nothing(major: Major) -> None:
    # Lint knows no --api-versions: what needs a newer cluster than Helm's own is for the renderings above.
    files = [str(CHART / "ci" / f"{name}-values.yaml") for name in SCENARIOS if name not in SINCE]
    for file in files:
        said = helmed(major, "lint", "--strict", CHART, "--values", file, "--kube-version", VERSIONS[-1])
        assert "1 chart(s) linted, 0 chart(s) failed" in said
        assert "[WARNING]" not in said


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_broker_is_restricted_whatever_the_pod_says(name: str) -> None:
    objects = attached(ATTACHED[name]) if name in ATTACHED else rendered(CHART, SCENARIOS[name])
    for found, spec in workloads(objects):
        ours = [*spec.get("initContainers", []), *spec["containers"]]
        if found["metadata"]["name"] == "app":  # its own container is none of ours
            ours = spec["initContainers"]
        for container in ours:
            assert list(unrestricted(spec, container)) == [], found["metadata"]["name"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_pod_of_the_charts_own_gets_a_token_of_the_api_server(name: str) -> None:
    for found, spec in workloads(rendered(CHART, SCENARIOS[name])):
        assert spec["automountServiceAccountToken"] is False, found["metadata"]["name"]


def in_texts(node: yaml.Node | None) -> Iterator[int]:
    """The lines of block scalars, which are somebody's own file."""
    if isinstance(node, yaml.ScalarNode):
        yield from range(node.start_mark.line, node.end_mark.line) if node.style in {"|", ">"} else ()
    elif node is not None:
        for inner in node.value:
            for one in inner if isinstance(inner, tuple) else (inner,):
                yield from in_texts(one)


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_line_is_blank_or_ends_in_blanks(name: str) -> None:
    for major in MAJORS:
        for document in text(CHART, SCENARIOS[name], major=major).removeprefix("---\n").split("\n---\n"):
            lines = document.rstrip("\n").split("\n")
            texts = set(in_texts(yaml.compose(document, Loader=yaml.CSafeLoader)))
            blank = [number for number, line in enumerate(lines) if not line or line != line.rstrip()]
            assert set(blank) - texts - {0} == set(), document


@pytest.mark.parametrize("major", MAJORS)
def test_nothing_is_rendered_unless_asked_for(major: Major) -> None:
    assert rendered(CHART, {}, major=major) == []


@pytest.mark.parametrize("major", MAJORS)
def test_a_cluster_without_native_sidecars_is_refused(major: Major) -> None:
    with pytest.raises(RefusedError, match=r"1\.28"):
        helmed(major, "template", "app", CHART, "--kube-version", "1.28")


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("name", SINCE)
def test_the_injector_is_refused_where_the_cluster_has_no_such_policies(name: str, major: Major) -> None:
    said = refusal(CHART, SCENARIOS[name], major=major, kubernetes="1.33")
    assert "MutatingAdmissionPolicy" in said
    assert "1.36" in said
