"""The report as one JSON object: docs/check.md documents it, and it changes by additions only."""

from collections.abc import Sequence

from broker import __version__
from broker.cli.check.report import Problem, Step, passed


def as_json(steps: Sequence[Step], *, offline: bool) -> dict[str, object]:
    """All of it; members that say nothing are left out of steps."""
    return {
        "ok": passed(steps),
        "version": __version__,
        "offline": offline,
        "steps": [_step(step) for step in steps],
    }


def _step(step: Step) -> dict[str, object]:
    members: dict[str, object] = {"step": step.name, "status": step.status, "detail": step.detail}
    if step.client is not None:
        members["client"] = step.client
    if step.token is not None:
        members["token"] = step.token
    members |= step.facts
    return members | ({"problem": _problem(step.problem)} if step.problem else {})


def _problem(problem: Problem) -> dict[str, object]:
    diagnosis = problem.diagnosis
    members: dict[str, object] = {
        "reason": diagnosis.reason,
        "act": diagnosis.act.value,
        "cause": diagnosis.cause,
        "fix": diagnosis.fix,
        "steps": list(diagnosis.steps),
        "words": diagnosis.words,
        "evidence": dict(problem.evidence),
    }
    return members | ({"public_jwk": problem.public_jwk} if problem.public_jwk else {})
