"""What was found out, step by step. Nothing here holds a token, an assertion or a secret."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from broker.core.diagnosis import Diagnosis
from broker.core.errors import place_of, root_of

#: In a text about a client, where the name of one of its tokens would stand.
ANY = "<name>"

Name = Literal[
    "configuration", "key", "assertion_file", "file", "connection", "metadata", "clock", "token", "scopes", "defect"
]
Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a step failed, or what is unwise, for the person who is to mend it.

    `evidence` is what was seen or sent, by a word each; `public_jwk` is what the fix asks to be registered: a JWK, or a
    JWKS of several.
    """

    diagnosis: Diagnosis
    evidence: Mapping[str, str] = field(default_factory=dict)
    public_jwk: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the report. `detail` is one line of printable text, `facts` the same for programs."""

    name: Name
    status: Status
    detail: str
    client: str | None = None
    token: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    problem: Problem | None = None


def defect(error: Exception, client: str | None = None) -> Step:
    """What went wrong in `check` itself. Without the error's text, which might hold a secret."""
    bug = root_of(error)
    where = f"{type(bug).__name__} in {place_of(bug)}"
    detail = f"{where}: a defect of token-broker, please report this line"
    return Step(name="defect", status="failed", detail=detail, client=client, facts={"where": where})


def passed(steps: Iterable[Step]) -> bool:
    """Whether no step failed; warnings and skipped steps are no failures."""
    return all(step.status != "failed" for step in steps)
