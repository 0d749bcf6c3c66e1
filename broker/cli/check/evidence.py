"""What a person should read about a failure: its diagnosis, sharpened by what was seen and sent."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from broker.cli.check.peer import Peer
from broker.cli.check.recording_transport import Exchange
from broker.cli.check.report import Problem
from broker.cli.check.times import day, is_epoch, length, moment
from broker.core.diagnosis import Diagnosis, Reason
from broker.core.errors import BrokerError, DiscoveryError, NetworkError, ReplyError
from broker.core.settings import ClientSettings
from broker.core.words import clean
from broker.providers.diagnose import diagnose
from broker.providers.faults import DISCOVERY

#: A refusal for one of these may well be about the audience.
ABOUT_THE_ASSERTION: frozenset[Reason] = frozenset(
    {"audience_refused", "client_refused", "grant_refused", "assertion_refused", "request_refused", "unknown"}
)
#: What a fix says when the public key is to be registered.
REGISTERS = "token-broker jwks"


#: What an assertion says, the most often wrong first.
ORDER = ("iss", "sub", "aud", "kid", "x5t#S256", "alg", "typ")


def problem_of(
    error: BrokerError,
    *,
    client: str,
    settings: ClientSettings,
    token: str,
    exchanges: Sequence[Exchange] = (),
    keys: Sequence[Mapping[str, str]] = (),
) -> Problem:
    """What to show of `error`, which came after `exchanges`. `keys` are the client's public ones."""
    diagnosis = diagnose(error, provider=settings.provider)
    diagnosis = _sharpened(diagnosis, error, settings, exchanges).named(client=client, token=token)
    paste = REGISTERS in " ".join((diagnosis.fix, *diagnosis.steps)) and keys
    return Problem(
        diagnosis=diagnosis,
        evidence=_evidence(error, exchanges),
        public_jwk=(keys[0] if len(keys) == 1 else {"keys": list(keys)}) if paste else None,
    )


def presented(peer: Peer | None) -> dict[str, str]:
    """The certificate that was not trusted."""
    if peer is None:
        return {}
    names = f", for {' '.join(peer.names)}" if peer.names not in {(), (peer.subject,)} else ""
    validity = f"valid from {day(peer.not_before)} to {day(peer.not_after)}"
    return {"presented": f"{peer.subject}, issued by {peer.issuer}{names}, {validity}"}


def slash_apart(one: str, others: Iterable[str | None]) -> str | None:
    """Which of `others` differs from `one` in nothing but a slash at the end."""
    return next((other for other in others if other and other != one and other.rstrip("/") == one.rstrip("/")), None)


def _sharpened(
    diagnosis: Diagnosis, error: BrokerError, settings: ClientSettings, exchanges: Sequence[Exchange]
) -> Diagnosis:
    if isinstance(error, DiscoveryError):
        return _metadata(diagnosis, error, settings.issuer or "", exchanges)
    last = exchanges[-1] if exchanges else None
    if last is None:
        return diagnosis
    if isinstance(error, ReplyError) and error.fault in {"redirect", "not_json"} and _is_page(last):
        return replace(diagnosis, cause="A web page came instead of a token, as captive portals and gateways send.")
    audience = last.shown.get("aud")
    if diagnosis.reason in ABOUT_THE_ASSERTION and isinstance(audience, str):
        issuers = (exchange.issuer for exchange in exchanges)
        if meant := slash_apart(audience, (settings.issuer, *issuers, last.url)):
            return replace(
                diagnosis,
                cause=f"The assertion's aud is {_quoted(audience)}, the server's URL {_quoted(meant)}: they differ in"
                " the slash at the end, and it counts.",
                fix=f"Write clients.<name>.assertion.audience as {_quoted(meant)}, or leave it out if the provider's is"
                " that.",
                steps=(),
            )
    return diagnosis


def _metadata(diagnosis: Diagnosis, error: DiscoveryError, issuer: str, exchanges: Sequence[Exchange]) -> Diagnosis:
    if error.fault == "issuer_mismatch":
        named = next((exchange.issuer for exchange in reversed(exchanges) if exchange.issuer), None)
        if named is None:
            return diagnosis
        differ = "; they differ in the slash at the end, and it counts" if slash_apart(issuer, [named]) else ""
        return replace(
            diagnosis,
            cause=f"The issuer is configured as {_quoted(issuer)}, and the server's metadata name"
            f" {_quoted(named)}{differ}.",
            fix=f"If that server is meant, write clients.<name>.issuer as {_quoted(named)}; if not, correct its"
            " address.",
            words="",
        )
    if error.fault in {"not_found", "not_json"} and any(_is_page(exchange) for exchange in exchanges):
        return replace(
            diagnosis,
            cause="A web page came instead of the server's metadata: a captive portal, a login page or a gateway stands"
            " in between.",
            fix=DISCOVERY["not_json"].fix,
            words="",
        )
    return diagnosis


def _is_page(exchange: Exchange) -> bool:
    """HTML with success, or a redirect; a server's own 404 may well be a page too."""
    return bool(exchange.location) or (exchange.status == 200 and exchange.kind == "text/html")


def _quoted(url: str) -> str:
    return f'"{clean(url)}"'


def _evidence(error: BrokerError, exchanges: Sequence[Exchange]) -> dict[str, str]:
    last = exchanges[-1] if exchanges else None
    if last is None or isinstance(error, NetworkError):
        return {}
    found = {}
    if sent := _sent(last.shown):
        found["sent"] = sent
    wrong_issuer = isinstance(error, DiscoveryError) and error.fault == "issuer_mismatch"
    if (isinstance(error, DiscoveryError | ReplyError) or not last.shown) and not wrong_issuer:
        found["came"] = _came(exchanges)
    if last.request_id:
        found["request"] = clean(last.request_id)
    return found


def _came(exchanges: Iterable[Exchange]) -> str:
    """What was answered, and by whom; the same answers are told together."""
    answers: dict[str, list[str]] = {}
    for exchange in exchanges:
        told = str(exchange.status)
        told += f", {clean(exchange.kind)}" if exchange.kind else ""
        told += f' titled "{clean(exchange.title)}"' if exchange.title else ""
        told += f", a redirect to {clean(exchange.location)}" if exchange.location else ""
        answers.setdefault(told, []).append(clean(exchange.url))
    return "; ".join(f"{told}, from {' and '.join(urls)}" for told, urls in answers.items())


def _sent(shown: Mapping[str, object]) -> str:
    """What the assertion said, for comparison with what is registered."""
    told = dict(shown)
    issued, expires = told.pop("iat", None), told.pop("exp", None)
    if told.get("iss") == told.get("sub"):
        told.pop("sub", None)
    said = [f"{name} {plain(told[name])}" for name in ORDER if name in told]
    if is_epoch(expires):
        since = f" (for {length(expires - issued)})" if is_epoch(issued) else ""
        said.append(f"exp {moment(expires)}{since}")
    elif expires is not None:
        said.append(f"exp {plain(expires)}, which is no epoch in seconds")
    return ", ".join(said)


def plain(value: object) -> str:
    """A member of an assertion, on one printable line."""
    texts = [text for text in value if isinstance(text, str)] if isinstance(value, list) else [str(value)]
    # Our own, and public: a thumbprint is not taken for a secret.
    return " ".join("".join(c for c in text if c.isprintable())[:200] for text in texts)
