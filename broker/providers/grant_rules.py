"""Token defaults and rules that providers of the JWT bearer grant share (RFC 7523 section 2.1)."""

from collections.abc import Mapping
from typing import Any

from broker.providers.preset import Rule

#: Token defaults of a provider that reads the scopes in the assertion.
SCOPES_IN_ASSERTION: Mapping[str, Any] = {"grant": "jwt_bearer", "jwt_bearer": {"scope_in": "assertion"}}


def only_jwt_bearer(title: str) -> Rule:
    """The rule for a provider that takes an assertion as the grant only."""
    return Rule(key="grant", pattern=r"jwt_bearer", reason=f"{title} takes assertions as jwt_bearer only; leave it out")


def scopes_in(where: str, title: str) -> Rule:
    """The rule for a provider that reads scopes in one place only: `where` is `assertion` or `form`."""
    seen = "in the assertion" if where == "assertion" else "as a form field"
    return Rule(key="jwt_bearer.scope_in", pattern=where, reason=f"{title} reads scopes {seen} only; leave it out")


def some_scope(title: str, example: str) -> Rule:
    """The rule for a provider without default scopes; `example` is shown to the user."""
    return Rule(key="scopes", pattern=r".+", reason=f"{title} grants named scopes only; write for example [{example}]")
