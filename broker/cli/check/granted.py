"""What is said of a token that was granted: never the token."""

from broker.cli.check.report import Problem, Status, Step
from broker.cli.check.times import length, span
from broker.core.events import KeyFellBack
from broker.core.settings import TokenSettings
from broker.core.tokens import Token
from broker.core.words import clean
from broker.providers.diagnose import scopes_reduced
from broker.refresh.schedule import refresh_at


def granted_step(name: str, settings: TokenSettings, token: Token, fell_back: KeyFellBack | None) -> Step:
    """Its lifetime, when the daemon would replace it, and what is odd about it.

    `fell_back` when the preferred key was refused.
    """
    latest, soonest = (refresh_at(token, settings.refresh.ahead, draw) - token.issued_at for draw in (0.0, 1.0))
    facts: dict[str, object] = {
        "token_type": token.token_type,
        "lifetime": token.lifetime,
        "refreshed_after": [round(soonest, 3), round(latest, 3)],
    }
    detail = f"{name}: {token.token_type} for {length(token.lifetime)}, replaced after {span(soonest, latest)}"
    if token.proof_key is not None:
        facts["jkt"] = token.proof_key.thumbprint
        detail += ", bound to a key of the broker's"
    if token.remarks:
        facts["remarks"] = list(token.remarks)
        detail += "".join(f"; {remark}" for remark in token.remarks)
    if fell_back is None:
        status: Status = "warning" if token.remarks else "ok"
        return Step(name="token", status=status, detail=detail, client=settings.client, token=name, facts=facts)
    facts |= {"key_used": fell_back.kid, "key_refused": fell_back.refused, "key_refused_for": fell_back.reason}
    detail += (
        f"; the key {fell_back.refused or 'without kid'} was refused ({fell_back.reason}),"
        f" {fell_back.kid or 'another one'} was taken in its place"
    )
    return Step(name="token", status="warning", detail=detail, client=settings.client, token=name, facts=facts)


def scopes_step(name: str, settings: TokenSettings, token: Token, *, provider: str) -> Step:
    """Granted against asked for: servers leave out what they do not grant, without a word (RFC 6749 section 3.3)."""
    asked, granted = settings.scopes, tuple(dict.fromkeys(token.scope.split()))
    missing = [scope for scope in asked if scope not in granted]
    extra = [clean(scope) for scope in granted if scope not in asked]
    facts: dict[str, object] = {
        "asked": list(asked),
        "granted": [clean(scope) for scope in granted],
        "missing": missing,
        "extra": extra,
    }
    reduced = scopes_reduced(provider=provider).named(client=settings.client, token=name)
    if missing:
        detail = f"{name}: {len(asked) - len(missing)} of {len(asked)} granted; missing: {' '.join(missing)}"
    elif asked:
        detail = f"{name}: {' '.join(asked)}"
    else:
        detail = f"{name}: none was asked for"
    if extra:
        detail += f"; beyond that: {' '.join(extra)}"
    return Step(
        name="scopes",
        status="failed" if missing else "ok",
        detail=detail,
        client=settings.client,
        token=name,
        facts=facts,
        problem=Problem(diagnosis=reduced) if missing else None,
    )
