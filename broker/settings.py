"""What the broker was told, resolved: frozen values with nothing optional that is not really optional.

`config` is the only maker of these, from a file or from the environment. The descriptions become the JSON Schema
and the configuration reference. Times are seconds.
"""

import math
import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
NAME = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
Name = Annotated[str, Meta(pattern=NAME)]


class Duration(float):
    """Seconds, written `300s`, `5m`, `1h30m`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> "Duration":
        """Raises ValueError with a sentence when `text` is not a duration."""
        if isinstance(text, str) and re.fullmatch(r"(\d+(\.\d+)?(ms|[smhd]))+", text):
            return cls(sum(float(n) * UNITS[u] for n, u in re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd])", text)))
        raise ValueError(f"{text!r} is not a duration; write it like 300s, 5m or 1h")


class Wait(Duration):
    """A duration, or `forever`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> "Wait":
        """As `Duration.parse`; `forever` is infinity."""
        return cls(math.inf if text == "forever" else super().parse(text))


class Ahead(str):
    """How long before expiry a token is replaced: `auto`, a duration, or a share of its lifetime (`20%`)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> "Ahead":
        """Raises ValueError with a sentence when `text` is none of the three."""
        ahead = cls(text)
        try:
            ahead.of(1.0)
        except ValueError:
            raise ValueError(f"{text!r} is not auto, a duration like 5m, or a share of the lifetime like 20%") from None
        return ahead

    def of(self, lifetime: float) -> float | None:
        """Seconds ahead of expiry for a token that lives `lifetime` seconds; `None` for auto."""
        if self == "auto":
            return None
        if match := re.fullmatch(r"(\d+(?:\.\d+)?)%", self):
            return lifetime * float(match[1]) / 100
        return Duration.parse(str(self))


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form of every section."""


class Api(Struct, frozen=True):
    """The workload API: what the containers beside the broker ask."""

    listen: Annotated[tuple[str, ...], Meta(description="Loopback addresses and unix: paths.")] = ("localhost:7180",)
    require_header: Annotated[bool, Meta(description='Every /v1 request must carry "Metadata: true".')] = True
    allowed_hosts: Annotated[
        tuple[str, ...], Meta(description="Host names accepted besides localhost and loopback literals.")
    ] = ()
    max_connections: Annotated[int, Meta(ge=1, description="Connections held at once; more are closed unread.")] = 512


class Admin(Struct, frozen=True):
    """Health, metrics and public keys; no secret is served here."""

    listen: Annotated[tuple[str, ...], Meta(description="Addresses; ':7181' is every family the host has.")] = (
        ":7181",
    )
    status: Annotated[Literal["loopback", "any", "off"], Meta(description="Who may read the texts of failures.")] = (
        "loopback"
    )


class Shutdown(Struct, frozen=True):
    """What happens after SIGTERM."""

    drain: Annotated[Duration, Meta(description="Keep serving this long after SIGTERM.")] = Duration(0)


class Startup(Struct, frozen=True):
    """What /startupz promises."""

    wait: Annotated[Wait, Meta(description="/startupz turns 200 after this, or 'forever'.")] = Wait(60)


class Log(Struct, frozen=True):
    """What is written to stdout."""

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
    audit: Annotated[bool, Meta(description="One line for every token handed out.")] = False


class Http(Struct, frozen=True):
    """How authorization servers are reached."""

    timeout: Annotated[Duration, Meta(description="For one whole request.")] = Duration(10)
    connect_timeout: Duration = Duration(3)
    proxy: Annotated[str | None, Meta(description="A URL; null: from the environment; none: no proxy.")] = None
    proxy_password_file: Annotated[str | None, Meta(description="Its password; the user stands in the URL.")] = None
    ca_file: Annotated[str | None, Meta(description="PEM certificates trusted besides the system's; re-read.")] = None


class KeySettings(Struct, frozen=True):
    """Where one private key is, and what it is called."""

    file: Annotated[str, Meta(description="PEM, JWK or JWKS; re-read when its content changes.")]
    kid: Annotated[str | None, Meta(description="Key id; by default the JWK's own.")] = None
    kid_file: Annotated[str | None, Meta(description="A file that holds the key id.")] = None
    algorithm: Annotated[str | None, Meta(description="By default from the key and the preset.")] = None
    passphrase_file: Annotated[str | None, Meta(description="What an encrypted PEM is opened with.")] = None


class Assertion(Struct, frozen=True):
    """The JWT the client proves itself with (RFC 7523 section 3)."""

    audience: Annotated[str, Meta(description="token_endpoint, issuer, or a literal.")]
    lifetime: Duration = Duration(60)
    typ: str = "JWT"
    claims: Annotated[dict[str, object], Meta(description="Further claims; not iss sub aud exp iat nbf jti.")] = {}
    claims_file: Annotated[str | None, Meta(description="The same, a JSON object in a file, for secrets.")] = None


class ClientSettings(Struct, frozen=True, kw_only=True):
    """One registration at an authorization server."""

    provider: str = "generic"
    issuer: Annotated[str | None, Meta(description="Issuer identifier, for discovery (RFC 8414).")] = None
    token_endpoint: Annotated[str | None, Meta(description="The endpoint's URL, instead of discovery.")] = None
    allow_http: Annotated[bool, Meta(description="Permit plain http beyond loopback.")] = False
    client_id: str
    send_client_id: Annotated[bool, Meta(description="Also send client_id in the form.")] = False
    private_keys: Annotated[tuple[KeySettings, ...], Meta(min_length=1, description="In order of preference.")]
    algorithms: tuple[str, ...] = ()
    assertion: Assertion
    max_clock_offset: Duration = Duration(300)
    http: Http = Http()


class Refresh(Struct, frozen=True):
    """When a token is replaced."""

    ahead: Annotated[Ahead, Meta(description="auto, a duration, or a share of the lifetime.")] = Ahead("auto")


class TokenSettings(Struct, frozen=True):
    """One token to keep fresh and hand out."""

    client: str
    grant: Literal["client_credentials"] = "client_credentials"
    scopes: tuple[str, ...] = ()
    audience: str | None = None
    resource: Annotated[tuple[str, ...], Meta(description="Absolute URIs (RFC 8707).")] = ()
    parameters: Annotated[dict[str, str], Meta(description="Further form fields; may not override ours.")] = {}
    parameters_file: Annotated[
        str | None, Meta(description="The same as a JSON object in a file, for secret ones.")
    ] = None
    refresh: Refresh = Refresh()
    assume_lifetime: Annotated[Duration, Meta(description="When the server names none.")] = Duration(300)
    required: Annotated[bool, Meta(description="Counts for readiness.")] = True


class Settings(Struct, frozen=True, kw_only=True):
    """Everything."""

    api: Api = Api()
    admin: Admin = Admin()
    shutdown: Shutdown = Shutdown()
    startup: Startup = Startup()
    log: Log = Log()
    clients: dict[str, ClientSettings]
    tokens: dict[str, TokenSettings]
