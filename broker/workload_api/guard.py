"""Checks on the request head, before authentication, like those of cloud metadata services. No I/O.

A workload connects directly and sends the header `Metadata: true`. A server abused for SSRF cannot set that header, a
proxy adds forwarding fields, and a browser adds fields that a web page cannot suppress.
"""

from collections.abc import Collection, Sequence

from broker.http_server.request_rules import FORWARDING_FIELDS, Refusal, host_permitted, is_path
from broker.workload_api.head import Head
from broker.workload_api.routes import OAUTH, is_v1


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
#: Refusals by the field that reveals the proxy.
FORWARDED = {
    name: _forbidden("forwarded", f"The request carries {name}, so a proxy passed it on. Ask the broker directly.")
    for name in FORWARDING_FIELDS
}
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
#: Most permitted `Host` values to cache; later ones are checked each time.
MAX_REMEMBERED_HOSTS = 64


class Guard:
    """Checks request heads against the configured rules. A refusal never quotes the request."""

    def __init__(self, *, require_header: bool, allowed_hosts: Collection[str]) -> None:
        self._require_header = require_header
        self._known: set[str] = set()
        self._allowed = frozenset(name.lower() for name in allowed_hosts)

    def __call__(self, method: str, target: str, head: Head, *, over_unix: bool) -> Refusal | None:
        """The refusal for the first rule that the head violates, or `None`.

        `target` is the raw request target. `Host` is not checked on a Unix socket, where DNS rebinding is impossible.
        The OAuth token endpoint checks forwarded requests itself: it answers FORWARDED unless they carry a caller's
        secret.
        """
        if not is_path(target):
            return TARGET
        path = target.partition("?")[0]
        if not over_unix and not self._permits(head.values("host")):
            return HOST
        if head.forwarded and path != OAUTH.label:
            return FORWARDED[head.forwarded]
        if head.browser:
            return BROWSER
        return self._check_v1(method, head) if is_v1(path) else None

    def _permits(self, hosts: Sequence[str]) -> bool:
        """Whether `Host` is permitted. Results are cached: local clients send the same few values."""
        if len(hosts) == 1 and hosts[0] in self._known:
            return True
        permitted = host_permitted(hosts, allowed=self._allowed)
        if permitted and len(self._known) < MAX_REMEMBERED_HOSTS:
            self._known.add(hosts[0])
        return permitted

    def _check_v1(self, method: str, head: Head) -> Refusal | None:
        if self._require_header and not _is_single_value(head.values("metadata"), "true"):
            return METADATA
        if method == "POST" and not _is_single_value(
            [v.partition(";")[0] for v in head.values("content-type")], "application/json"
        ):
            return CONTENT_TYPE
        return None


def _is_single_value(values: Sequence[str], expected: str) -> bool:
    """Whether the field was sent exactly once, with this value, case-insensitive."""
    return len(values) == 1 and values[0].strip().lower() == expected
