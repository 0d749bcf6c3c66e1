"""Rules across values that are each valid."""

from collections.abc import Callable, Collection, Iterator

from broker.config import addresses, caller_rules, client_rules, sink_rules, token_rules
from broker.config.complaint import Complaint, each, once
from broker.config.document import Place
from broker.config.unknown import nearest
from broker.core.durations import Duration
from broker.core.settings import Limits, Settings

#: Clients, and tokens, of one broker.
MAX_SECTIONS = 1000
MAX_FIRST_TOKEN_WAIT = Duration(30)
TIMEOUTS = ("first_byte_timeout", "head_timeout", "body_timeout", "send_timeout", "idle_timeout")


def check(
    settings: Settings, clients: Collection[str], *, source: str | None, real: Callable[[str], str]
) -> Iterator[Complaint]:
    """Everything that is wrong; `clients` are the names that were written, well or not, `source` the file they are in.

    `real` follows the symlinks of a path.
    """
    yield from each(("api", "listen"), settings.api.listen, addresses.api_listen)
    yield from once(("api", "listen"), settings.api.listen)
    if settings.api.first_token_wait > MAX_FIRST_TOKEN_WAIT:
        yield ("api", "first_token_wait"), f"{settings.api.first_token_wait} is longer than {MAX_FIRST_TOKEN_WAIT}"
    yield from each(("api", "allowed_hosts"), settings.api.allowed_hosts, addresses.host_name)
    yield from caller_rules.check(settings.api, ("api",))
    yield from _limits(settings.api.limits, ("api", "limits"))
    yield from each(("admin", "listen"), settings.admin.listen, addresses.admin_listen)
    yield from once(("admin", "listen"), settings.admin.listen)
    yield from _limits(settings.admin.limits, ("admin", "limits"))
    for section, number in (("clients", len(settings.clients)), ("tokens", len(settings.tokens))):
        if number > MAX_SECTIONS:
            yield (section,), f"there are {number}; one broker keeps {MAX_SECTIONS} at most"
    for name, client in settings.clients.items():
        yield from client_rules.check(client, ("clients", name))
    for name, token in settings.tokens.items():
        place = ("tokens", name)
        yield from token_rules.check(token, place)
        yield from caller_rules.check_list(token.callers, settings.api.callers, (*place, "callers"))
        if token.client not in clients:
            meant = nearest(token.client, clients) or f"; there is {', '.join(clients) or 'none'}"
            yield (*place, "client"), f"there is no client {token.client!r:.80}{meant}"
        elif token.client in settings.clients:
            yield from token_rules.check_provider(token, settings.clients[token.client], place)
    yield from sink_rules.check(settings, source=source, real=real)


def _limits(limits: Limits, place: Place) -> Iterator[Complaint]:
    for key in TIMEOUTS:
        if (seconds := getattr(limits, key)) <= 0:
            yield (*place, key), f"{seconds} leaves no time for a request"


def warnings(settings: Settings) -> list[str]:
    """Return warnings about permitted but unwise values, each naming its key; logged once at start."""
    said = []
    if not settings.api.require_header:
        said.append("api.require_header: off, so a server tricked into fetching a URL can be made to fetch tokens")
    if settings.api.token_endpoint == "open":  # noqa: S105 - a word of the configuration
        said.append("api.token_endpoint: open, so whatever reaches this machine's loopback can get a token by one POST")
    for name, client in settings.clients.items():
        for key, url in (("issuer", client.issuer), ("token_endpoint", client.token_endpoint)):
            if url and addresses.insecure(url):
                said.append(f"clients.{name}.{key}: plain http; whoever is on the way can read and change tokens")
    for name, token in settings.tokens.items():
        for key, why in token_rules.cautions(token, settings.clients[token.client]):
            said.append(f"tokens.{name}.{key}: {why}")
    used = {token.client for token in settings.tokens.values()}
    return said + [f"clients.{name}: no token uses this client" for name in settings.clients if name not in used]
