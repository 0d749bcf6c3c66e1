"""Renders a snapshot as one self-contained HTML page, with style, script and icons inline.

All text from outside this package is escaped by `_safe`. The Content-Security-Policy forbids style attributes, so bars
get their length from SVG attributes.
"""

import platform
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from msgspec.structs import replace

from broker import __version__
from broker.admin.status import sentences
from broker.admin.status.marks import icon, mark
from broker.admin.status.sentences import LEVELS, SYMBOLS
from broker.admin.status.snapshot import ClientStatus, KeyStatus, Snapshot, TokenStatus
from broker.admin.status.words import address, clock, printable, rfc3339, scopes, span
from broker.core.diagnosis import Diagnosis
from broker.providers import PRESETS

#: Number of tokens above which the layout is compact.
MANY = 12
#: Length of a bar in SVG units; the style sheet scales it.
LENGTH = 1000


class Parts(NamedTuple):
    """The files of the page."""

    template: Template
    style: str
    script: str
    build: str


@cache
def _parts() -> Parts:
    folder = Path(__file__).parent
    template, style, script = ((folder / f"page.{kind}").read_text("utf-8") for kind in ("html", "css", "js"))
    build = sha256(f"{template}{style}{script}{__version__}".encode()).hexdigest()[:12]
    return Parts(Template(template), style, script, build)


def policy() -> str:
    """The Content-Security-Policy: permits only the inline style and script, by hash."""
    parts = _parts()
    style, script = (b64encode(sha256(text.encode()).digest()).decode() for text in (parts.style, parts.script))
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def render(seen: Snapshot) -> str:
    """The page, which is complete without JavaScript."""
    parts, at = _parts(), seen.at
    level, headline = sentences.headline(seen)
    notices = "".join(
        f'<li class="{loud}">{mark(loud)}<span>{_safe(notice)}</span></li>' for loud, notice in sentences.notices(seen)
    )
    return parts.template.substitute(
        build=parts.build,
        style=parts.style,
        script=parts.script,
        symbol=SYMBOLS[level],
        icon=icon(level),
        level=level,
        mark=mark(level),
        headline=_safe(headline),
        readiness=sentences.readiness(seen),
        host=_safe(seen.host),
        up=span(at - seen.started_at),
        at=_time(at, at),
        notices=f'<ul class="notices" aria-label="Remarks">{notices}</ul>' if notices else "",
        many=" many" if len(seen.tokens) > MANY else "",
        tokens="\n".join(_tokens(seen)),
        clients="\n".join(_client(client, at) for client in seen.clients),
        about=_pairs(_about(seen)),
    )


def _tokens(seen: Snapshot) -> Iterator[str]:
    """The tokens. A failure shared by several tokens of a client is explained only at the first."""
    explained: dict[tuple[str, Diagnosis], str] = {}
    for token in seen.tokens:
        like = None
        if token.failure:
            same = token.settings.client, replace(token.failure, fix="", wait=None)
            if (like := explained.get(same)) is None:
                explained[same] = token.name
        yield _token(token, seen.at, like=like, unfolded=len(seen.tokens) == 1)


def _token(token: TokenStatus, at: float, *, like: str | None, unfolded: bool) -> str:
    """`like`: name of an earlier token that fails for the same reason."""
    level, name = LEVELS[token.standing], _safe(token.name)
    left, _ = sentences.expiry(token, at)
    title = f"<h3>{name}</h3>" + ("" if token.settings.required else '<span class="tag">not required</span>')
    when = f' <span class="soft">({_time(token.expires_at, at)})</span>' if token.expires_at is not None else ""
    return (
        f'<li id="token-{name}" class="{level}"><div class="row">{mark(level)}<div class="name">{title}</div>'
        f'<p class="state">{token.standing.value}</p>{_meter(token)}<p class="time">{left}{when}</p></div>'
        f"{_trouble(token, at, like)}<details{' open' * unfolded}><summary>{sentences.rhythm(token, at)}</summary>"
        f"<dl>{_pairs(_facts(token, at))}</dl></details></li>"
    )


def _meter(token: TokenStatus) -> str:
    """A bar of the remaining lifetime, with expiry at the left end, and the window and latest time of the refresh."""
    life = token.lifetime or 1.0

    def part(seconds: float) -> int:
        return round(LENGTH * min(1.0, max(0.0, seconds / life)))

    marks = ""
    if token.window and token.expires_at is not None:
        earliest, latest = (part(token.expires_at - moment) for moment in token.window)
        marks = (
            f'<rect class="window" x="{latest}" y="11" width="{max(4, earliest - latest)}" height="3"/>'
            f'<path class="lead" d="M{latest} 0V14"/>'
        )
    words = f"{span(token.left)} of {span(life)} left" if token.left else "no token"
    return (
        f'<div class="meter" role="meter" aria-label="Time left" aria-valuemin="0" aria-valuemax="{round(life)}" '
        f'aria-valuenow="{round(min(token.left, life))}" aria-valuetext="{words}">'
        f'<svg viewBox="0 0 {LENGTH} 14" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="{LENGTH}" height="9"/>'
        f'<rect class="left" width="{part(token.left)}" height="9"/>{marks}</svg></div>'
    )


def _trouble(token: TokenStatus, at: float, like: str | None) -> str:
    failure, sentence = token.failure, sentences.trouble(token, at)
    if failure is None:
        return f'<p class="remark">{sentence}</p>' if sentence else ""
    summary = f'<code>{failure.reason}</code> <span class="soft">{sentence}</span>'
    if like is not None:
        return f'<div class="trouble"><p>{summary}, as <a href="#token-{_safe(like)}">{_safe(like)}</a></p></div>'
    explanation = {"Cause": _prose(failure.cause), "Fix": _prose(failure.fix), "Said": _safe(failure.words)}
    explained = _pairs((title, text) for title, text in explanation.items() if text)
    return f'<div class="trouble"><p>{summary}</p><dl>{explained}</dl></div>'


def _facts(token: TokenStatus, at: float) -> Iterator[tuple[str, str]]:
    settings = token.settings
    yield "Client", f'<a href="#client-{_safe(settings.client)}">{_safe(settings.client)}</a>'
    yield "Scopes", _scopes(token)
    if settings.audience is not None:
        yield "Audience", f"<code>{_safe(address(settings.audience))}</code>"
    if settings.resource:
        yield "Resource", " ".join(f"<code>{_safe(address(uri))}</code>" for uri in settings.resource)
    yield "Lifetime", sentences.replaced(token)
    if token.window:
        yield "Refresh between", " and ".join(_time(moment, at) for moment in token.window)
    if token.next_at is not None:
        yield "Next attempt", _time(token.next_at, at)
    if token.refreshed_at is not None:
        yield "Last refresh", _time(token.refreshed_at, at)
    yield "Handed out", sentences.handed_out(token, at)
    for sink in token.sinks:
        yield "File", f"<code>{_safe(sink.file)}</code> {sentences.sink(sink, at)}"
        if sink.failed_at is not None:
            yield "Failed", f'<span class="refusal">{_time(sink.failed_at, at)}: {_safe(sink.failure)}</span>'


def _scopes(token: TokenStatus) -> str:
    granted, missing, extra, more = scopes(token)
    cells = [f"<code>{_safe(scope)}</code>" for scope in granted]
    cells += [f'<code class="missing">{_safe(scope)}</code> (not granted)' for scope in missing]
    cells += [f"<code>{_safe(scope)}</code> (granted unasked)" for scope in extra]
    cells += [f"{more} more granted unasked"] if more else []
    return " ".join(cells) or "none"


def _client(client: ClientStatus, at: float) -> str:
    name = _safe(client.name)
    title = PRESETS[client.settings.provider].title if client.settings.provider in PRESETS else client.settings.provider
    keys = "".join(_key(client, key, at) for key in client.keys)
    return (
        f'<li id="client-{name}"><div class="name"><h3>{name}</h3><span class="tag">{_safe(title)}</span></div>'
        f"<dl>{_pairs(_registration(client, at))}</dl>{keys}</li>"
    )


def _registration(client: ClientStatus, at: float) -> Iterator[tuple[str, str]]:
    settings = client.settings
    if settings.issuer:
        yield "Issuer", f"<code>{_safe(address(settings.issuer))}</code>"
    endpoint = f"<code>{_safe(address(client.endpoint))}</code>" if client.endpoint else "not found yet"
    yield "Token endpoint", endpoint
    yield "Client id", f"<code>{_safe(settings.client_id)}</code>"
    measured = f", measured {_time(client.measured_at, at)}" if client.measured_at is not None else ""
    path = f"clients/{_safe(client.name)}/jwks.json"
    yield "Public keys", f'<a href="{path}">/{path}</a>'
    yield "Clock", f"{_safe(sentences.offset(client))}{measured}"


def _key(client: ClientStatus, key: KeyStatus, at: float) -> str:
    return f'<dl class="key">{_pairs(_key_facts(client, key, at))}</dl>'


def _key_facts(client: ClientStatus, key: KeyStatus, at: float) -> Iterator[tuple[str, str]]:
    state = key.state
    yield "Key", f"{_safe(sentences.key(client, key, at))} <code>{_safe(state.file)}</code>"
    if state.signer:
        yield "kid", f"<code>{_safe(state.signer.kid)}</code>" if state.signer.kid else "none"
        yield "Thumbprint", f"<code>{_safe(state.signer.thumbprint)}</code>"
    if state.certificate:
        yield "Certificate", f"{sentences.certificate(key, at)} ({_time(state.certificate.not_after, at)})"
    if state.refusal:
        when = f"{_time(key.refused_at, at)}: " if key.refused_at is not None else ""
        yield "Refused", f'<span class="refusal">{when}{_safe(state.refusal)}</span>'


def _about(seen: Snapshot) -> Iterator[tuple[str, str]]:
    yield "Version", f"token-broker {__version__}"
    yield "Python", platform.python_version()
    yield "Started", f"{_time(seen.started_at, seen.at)}"
    titles = {"api": "Workload API", "admin": "Admin listener"}
    for listener, addresses in seen.listening.items():
        yield titles[listener], " ".join(f"<code>{_safe(one)}</code>" for one in addresses)
    yield "Configuration", "changed since the start" if seen.config_stale else "as at the start"


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Rows of a `dl` from titles and HTML descriptions."""
    return "".join(f"<div><dt>{title}</dt><dd>{described}</dd></div>" for title, described in pairs)


def _time(moment: float, at: float) -> str:
    return f'<time datetime="{rfc3339(moment)}">{clock(moment, at)}</time>'


def _safe(text: str) -> str:
    return escape(printable(text))


def _prose(text: str) -> str:
    """A sentence of the broker as HTML, with backquoted parts as `code`."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", _safe(text))
