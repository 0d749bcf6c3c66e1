"""The words. Plain ASCII, since a terminal may know no more; an element is a paragraph, whoever shows it wraps it."""

from dataclasses import dataclass
from typing import Literal

from broker.cli.demo.tally import Tally
from broker.core.events import KeyLoaded, Refreshed, RefreshFailed

Kind = Literal["title", "text", "quote", "command", "good", "bad"]
Mood = Literal["good", "note", "bad", "miss"]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A quote or a command is indented, and not broken where copying it would break it."""

    kind: Kind
    text: str


def opening(seconds: float) -> list[Paragraph]:
    """What this is, and when it ends."""
    end = f"It ends after {seconds:.0f} s, or at Ctrl-C." if seconds else "Ctrl-C ends it."
    return [
        Paragraph("title", "token-broker demo"),
        Paragraph("text", f"Everything here runs on this machine: no account, no internet. {end}"),
    ]


def problem(issuer: str, status: int, error: str, description: str) -> list[Paragraph]:
    """The client secret is refused."""
    return [
        Paragraph("title", "1. The problem: a client secret is not enough any more"),
        Paragraph(
            "text",
            f"An authorization server in Okta's manner is up at {issuer}. A program asks it for an access token the"
            f" old way, with a client secret. The server refuses with {status} {error}:",
        ),
        Paragraph("quote", f'"{description}"'),
        Paragraph(
            "text",
            "private_key_jwt means: the program signs a short statement with a private key. The server knows only the"
            " public key, and no secret travels. But now every program needs a key, a signing library and a refresh"
            " loop.",
        ),
    ]


def broker(key: KeyLoaded, token: Refreshed) -> list[Paragraph]:
    """The same server gives the broker a token."""
    return [
        Paragraph("title", "2. The broker does it for all of them"),
        Paragraph(
            "text",
            f"A fresh {key.algorithm} key pair: the server was given the public half, the broker the private one. Its"
            f" kid is its thumbprint (RFC 7638), {key.thumbprint}.",
        ),
        Paragraph("good", f"The broker signs and asks. The server answers 200: a token for {token.lifetime:.0f} s."),
        Paragraph("text", "At Okta it would be an hour. Here it is short, so that you can watch it being replaced."),
    ]


def workload(api: str, admin: str, issuer: str, *, moved: bool) -> list[Paragraph]:
    """The sample workload begins; what people can try themselves. `moved`: not on the ports of the documentation."""
    taken = "Port 7180 or 7181 of the documentation is taken on this machine, so others are used."
    return [
        Paragraph("title", "3. The program beside it just asks"),
        Paragraph(
            "text",
            f"A sample workload starts: a process of its own, without a key. Five times a second it asks the broker at"
            f" {api} for the token and calls an API with it. Whatever is not the API's 200 counts as missed.",
        ),
        *([Paragraph("text", taken)] if moved else []),
        Paragraph("title", "Try it yourself, in another terminal"),
        Paragraph("command", f"curl -H 'Metadata: true' {api}/v1/token"),
        Paragraph("command", f"curl {admin}/readyz"),
        Paragraph("command", f"curl {admin}/metrics"),
        Paragraph("text", "Make the server fail twice, and see that the workload misses nothing:"),
        Paragraph("command", f"""curl --json '{{"status": 503, "times": 2}}' {issuer}/dev/faults"""),
        Paragraph("title", "Now watch"),
    ]


OUTAGE = "The demo breaks the server: its next two answers will be 503."


def replaced(tally: Tally, left: float, outage: float | None) -> str:
    """A new token is there; the old one had `left` seconds. After an outage: how long it was."""
    number = tally.fetched
    old = f"which had {left:.1f} s left" if left > 0 else "which had expired"
    if outage is None:
        counts = f"{tally.calls} calls so far, {tally.misses} missed."
        return f"Token {number} replaces token {number - 1}, {old}. {counts}"
    missed = tally.misses - tally.misses_before
    what = f"{missed} calls" if missed else "nothing"
    return (
        f"The server is back: token {number} replaces token {number - 1}, {old}."
        f" In {outage:.1f} s of outage the workload missed {what}."
    )


def failed(tally: Tally, failure: RefreshFailed, now: float, *, again: bool) -> str:
    """A refresh failed: cause and fix the first time; what it means for the workload."""
    diagnosis = failure.diagnosis
    retry = f"The broker asks again in {max(0.0, failure.retry_at - now):.1f} s."
    left = failure.expires_at - now if failure.expires_at else 0.0
    held = f"Token {tally.fetched} is good for {left:.1f} s more. " if left > 0 else "There is no token meanwhile. "
    if again:
        return f"The refresh failed again. {held}{retry}"
    return f"The refresh failed. Cause: {diagnosis.cause} Fix: {diagnosis.fix} {held}{retry}"


EXPIRED = "The token expired before it could be replaced: the workload gets 503 until the server answers again."


def missed(why: str) -> str:
    """A call of the workload came to nothing."""
    return f"MISSED: {why}."


def summary(tally: Tally, lifetime: float) -> list[tuple[str, str]]:
    """The figures, as label and value."""
    outage = f" (the longest outage: {tally.longest_outage:.1f} s)" if tally.longest_outage else ""
    return [
        ("calls by the workload", str(tally.calls)),
        ("answered 200 by the API", str(tally.calls - tally.misses)),
        ("missed", str(tally.misses)),
        ("tokens it used", str(len(tally.fingerprints))),
        ("refreshes", str(tally.refreshes)),
        ("failed refreshes", f"{tally.failed}{outage}"),
        (
            "shortest time left to it",
            "there was no token" if tally.shortest is None else f"{tally.shortest} s of {lifetime:.0f} s",
        ),
    ]


def verdict(tally: Tally) -> list[Paragraph]:
    """The last word."""
    if tally.misses:
        text = (
            f"The workload missed {tally.misses} of {tally.calls} calls; the first time, {tally.first_miss}. Unless you"
            " made the server fail for longer than a token lives, this is a defect of token-broker: please report it."
        )
        return [Paragraph("bad", text)]
    if not tally.calls:
        return [Paragraph("text", "It ended before the workload had made a call.")]
    return [
        Paragraph("good", "The workload never missed a token."),
        Paragraph(
            "text",
            "With your own server: `token-broker keygen` makes the key pair, and `token-broker run` keeps the tokens"
            " fresh. README.md says how.",
        ),
    ]
