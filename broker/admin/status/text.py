"""Renders a snapshot as plain text."""

import platform
from collections.abc import Iterator

from broker import __version__
from broker.admin.status import sentences
from broker.admin.status.snapshot import ClientStatus, Snapshot, TokenStanding, TokenStatus
from broker.admin.status.words import address, clock, printable, rfc3339, scopes, span


def render(seen: Snapshot) -> str:
    """The headline, the tokens (a paragraph for each that fails, a line for the others), then the clients."""
    level, headline = sentences.headline(seen)
    lines = [f"{sentences.SYMBOLS[level]} {headline} ({sentences.readiness(seen)})"]
    lines += [f"{sentences.SYMBOLS[level]} {notice}" for level, notice in sentences.notices(seen)]
    for token in seen.tokens:
        lines += ["", *_token(token, seen.at)] if token.failure else _token(token, seen.at)
    lines.append("")
    for client in seen.clients:
        lines += _client(client, seen.at)
    up = f"up {span(seen.at - seen.started_at)} since {rfc3339(seen.started_at)}"
    lines += ["", f"token-broker {__version__} on {printable(seen.host)}, Python {platform.python_version()}, {up}"]
    return "\n".join(lines)


def _token(token: TokenStatus, at: float) -> Iterator[str]:
    left, by_the_clock = sentences.expiry(token, at)
    parts = [] if token.standing is TokenStanding.EXPIRED else [token.standing.value]
    parts += [f"{left} ({by_the_clock})" if by_the_clock else left, sentences.rhythm(token, at)]
    yield f"{token.name}: {', '.join(parts)}" + ("" if token.settings.required else ", not required")
    if token.failure:
        yield f"  {token.failure.reason}: {sentences.trouble(token, at)}"
        explanation = {"cause": token.failure.cause, "fix": token.failure.fix, "said": token.failure.words}
        yield from (f"  {title}: {printable(text)}" for title, text in explanation.items() if text)
    if missing := scopes(token)[1]:
        yield f"  not granted: {' '.join(map(printable, missing))}"
    for sink in token.sinks:
        yield f"  file {printable(sink.file)}: {sentences.sink(sink, at)}"
        if sink.failed_at is not None:
            yield f"  failed at {clock(sink.failed_at, at)}: {printable(sink.failure)}"


def _client(client: ClientStatus, at: float) -> Iterator[str]:
    server = address(client.settings.issuer or client.settings.token_endpoint or "")
    yield f"client {client.name}: {server}; {sentences.offset(client)}"
    for key in client.keys:
        line = f"  {printable(key.state.file)}: {sentences.key(client, key, at)}"
        if signer := key.state.signer:
            line += f", kid {printable(signer.kid) if signer.kid else 'none'}, thumbprint {signer.thumbprint}"
            line += f", {expiry}" if (expiry := sentences.certificate(key, at)) else ""
        yield line
        if key.state.refusal:
            when = f" at {clock(key.refused_at, at)}" if key.refused_at is not None else ""
            yield f"  refused{when}: {printable(key.state.refusal)}"
