"""The page `docs/reasons.md`, made from the tables: `python tests/reasons_page.py > docs/reasons.md`."""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from broker.core.diagnosis import REASONS, Act, Reason
from broker.providers import general
from broker.providers.diagnose import REFUSALS, ROWS, STARTING
from broker.providers.faults import (
    CERTIFICATE_ENDS,
    CLOCKS_APART,
    DEFECT,
    DISCOVERY,
    KEY_FILE,
    REDUCED,
    REPLY,
    SECRET_FILE,
    UNEXPECTED,
)
from broker.providers.network import NETWORK, SENTENCES
from broker.providers.okta import REDUCED as REDUCED_BY_OKTA
from broker.providers.rows import Row

ACTS = {
    Act.SERVER: (
        "the server or the network",
        "tries again after 1 to 2 s, then with growing pauses: up to a minute without a token, up to five with one",
    ),
    Act.LIMIT: ("nobody", "stays away for as long as the server asked, and a random while more, for the whole client"),
    Act.REBUILD: ("nobody", "tries once more at once, with a new assertion; then as for `operator`"),
    Act.CLOCK: (
        "whoever keeps the clocks",
        "corrects its times by the server's `Date` and tries once more; then as for `operator`",
    ),
    Act.KEY: ("whoever registered or mounted the key", "as for `operator`"),
    Act.OPERATOR: (
        "whoever configured the client or the token",
        "tries every 15 s without a token, every 15 s to 5 min with one, and at once when a key file changes",
    ),
}

HEAD = """# Reason codes

Why a token request failed: the label `reason` of `token_broker_refresh_errors_total`, the `reason` of a 503 and of
the log's `refresh_failed`. The set is closed: a code may be added in a release, but none is renamed.

Who must act decides what the broker does meanwhile. A token that is still valid is handed out all the while. An answer
that is not OAuth's (a redirect, a web page, a refusal without `error`, a success without a token) counts as a fault of
the server, or of a gateway before it.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([HEAD, *_acts(), *_overview(), *_details()])


def _acts() -> Iterator[str]:
    yield "| | who must act | what the broker does |"
    yield "| --- | --- | --- |"
    for act, (who, meanwhile) in ACTS.items():
        yield f"| `{act.value}` | {who} | {meanwhile} |"
    yield ""


def _overview() -> Iterator[str]:
    yield "| reason | what it means | who must act |"
    yield "| --- | --- | --- |"
    for reason, meaning in REASONS.items():
        acts = dict.fromkeys(act for row in ROWS if row.reason == reason for act in _acts_of(row)) or [STARTING.act]
        yield f"| [`{reason}`](#{reason}) | {meaning} | {', '.join(f'`{act.value}`' for act in acts)} |"
    yield ""


def _details() -> Iterator[str]:
    for reason, meaning in REASONS.items():
        yield f"## {reason}\n\n{meaning}\n"
        yield "| when | who | cause | fix |"
        yield "| --- | --- | --- | --- |"
        for when, act, cause, fix in _rows(reason):
            yield f"| {when} | {act} | {_cell(cause)} | {_cell(fix)} |"
        yield ""


def _rows(reason: Reason) -> Iterator[tuple[str, str, str, str]]:
    if reason == STARTING.reason:
        yield "no attempt has ended", f"`{STARTING.act.value}`", STARTING.cause, STARTING.fix
    for row in ROWS:
        if row.reason == reason:
            fault, *others = (f"`{act.value}`" for act in _acts_of(row))
            yield (
                _when(row),
                " ".join([fault, *(f"(with an unknown `error` {act})" for act in others)]),
                row.cause,
                row.fix,
            )


def _acts_of(row: Row) -> tuple[Act, ...]:
    """Without an `error` a refusal is a fault; with one that no row knows it is the operator's."""
    by_status = (
        row is not general.UNKNOWN
        and any(row is refusal for refusal in REFUSALS)
        and row.is_by_status
        and row.act is Act.OPERATOR
    )
    return (Act.SERVER, row.act) if by_status else (row.act,)


def _when(row: Row) -> str:
    kinds: dict[str, Mapping[Any, Row]] = {"network": NETWORK, "metadata": DISCOVERY, "answer": REPLY}
    for kind, table in kinds.items():
        for fault, known in table.items():
            if known is row:
                return f"{kind}: {fault}"
    for step, rows in SENTENCES.items():
        if any(known is row for known in rows):
            return f"network: {step}<br>{_says(row)}"
    special = {
        id(KEY_FILE): "a key file",
        id(SECRET_FILE): "another file",
        id(REDUCED): "`check`: scopes are missing",
        id(REDUCED_BY_OKTA): "`check`: scopes are missing<br>`provider: okta`",
        id(CLOCKS_APART): "`check`: clocks differ",
        id(CERTIFICATE_ENDS): "`check`: a certificate ends",
        id(DEFECT): "an unexpected exception",
        id(UNEXPECTED): "any other error",
    }
    if id(row) in special:
        return special[id(row)]
    codes = " or ".join(f"`{code}`" if code else "no `error`" for code in row.codes)
    statuses = f"status {_statuses(row.statuses)}" if row.statuses else ""
    providers = " or ".join(f"`provider: {provider}`" for provider in row.providers)
    return "<br>".join(filter(None, (providers, codes, statuses, _says(row)))) or "any other refusal"


def _says(row: Row) -> str:
    return "<br>".join(_cell(sentence) for sentence in row.says)


def _statuses(statuses: tuple[int, ...] | range) -> str:
    if isinstance(statuses, range):
        return f"{statuses.start} to {statuses.stop - 1}"
    return ", ".join(map(str, statuses))


def _cell(text: str) -> str:
    """Configuration keys and placeholders as code; nothing that ends the cell or is taken for HTML."""
    code = re.sub(r"(?<![`\w])((?:clients|tokens)\.<name>[\w.]*\w|\{\w+\})", r"`\1`", text)
    return code.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
