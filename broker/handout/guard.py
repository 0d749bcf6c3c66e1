"""Who may not even ask: decisions over a request's head, as metadata services take them. No I/O.

A workload asks directly, knows one header, and is no browser. A server tricked into a request (SSRF) sets no header of
the attacker's choice, a proxy leaves traces, and a web page cannot help naming itself.
"""

from collections.abc import Collection, Iterable, Sequence

from broker.heads import Refusal, host_permitted, is_path


def _forbidden(reason: str, description: str) -> Refusal:
    return Refusal(status=403, error="forbidden", reason=reason, description=description)


TARGET = _forbidden(
    "target",
    "The request line must hold a path, not a URL. Clients send URLs to an HTTP proxy; exempt the broker from it: "
    "NO_PROXY=localhost,127.0.0.1",
)
HOST = _forbidden(
    "host",
    "There must be one Host header, with localhost or a loopback address. To be reached by another name, add that "
    "name to api.allowed_hosts in the broker's configuration.",
)
FORWARDED = _forbidden(
    "forwarded",
    "The request carries X-Forwarded-*, Forwarded or Via, so a proxy passed it on. Ask the broker directly.",
)
BROWSER = _forbidden(
    "browser",
    "The request carries Origin or Sec-Fetch-Site, so a web page caused it. Tokens are not for browsers; ask from a "
    "server process, without these headers.",
)
METADATA = _forbidden("metadata_header", 'Add the header "Metadata: true" to the request.')
CONTENT_TYPE = Refusal(
    status=415,
    error="unsupported_media_type",
    reason="content_type",
    description='A POST needs the header "Content-Type: application/json".',
)


class Guard:
    """Judges heads by the configuration's rules; the description of a refusal never repeats what was sent."""

    def __init__(self, *, require_header: bool, allowed_hosts: Collection[str]) -> None:
        self._require_header = require_header
        self._allowed = frozenset(name.lower() for name in allowed_hosts)

    def __call__(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], *, over_unix: bool
    ) -> Refusal | None:
        """The first rule the head breaks, or `None`.

        `target` is the request target as it was sent, not decoded; `headers` has one pair for every field line. A
        Unix socket has no name that could be rebound, so `Host` means nothing there.
        """
        if not is_path(target):
            return TARGET
        fields: dict[str, list[str]] = {}
        for name, value in headers:
            fields.setdefault(name.lower(), []).append(value)
        api = target.partition("?")[0].split("/")[1] == "v1"
        rules = (
            (not over_unix and not host_permitted(fields.get("host", ()), allowed=self._allowed), HOST),
            (any(name.startswith("x-forwarded-") or name in ("forwarded", "via") for name in fields), FORWARDED),
            # Not the other Sec-Fetch-*: Node's fetch sends Sec-Fetch-Mode.
            ("origin" in fields or "sec-fetch-site" in fields, BROWSER),
            (api and self._require_header and [v.lower() for v in fields.get("metadata", ())] != ["true"], METADATA),
            (api and method == "POST" and not _is_json(fields.get("content-type", ())), CONTENT_TYPE),
        )
        return next((refusal for broken, refusal in rules if broken), None)


def _is_json(types: Sequence[str]) -> bool:
    return len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json"
