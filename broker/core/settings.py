"""What the broker was told, resolved: frozen values with nothing optional that is not really optional.

`config` is the only maker of these, from a file or from the environment. The descriptions become the JSON Schema
and the configuration reference. Times are seconds.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from broker.core.durations import Ahead, Duration, Wait

NAME = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
Name = Annotated[str, Meta(pattern=NAME)]
#: What every token request of ours consists of (RFC 6749 section 4.4.2, RFC 7523 section 2.2), and what it must not.
FORM_FIELDS = frozenset(
    {"grant_type", "scope", "client_id", "client_assertion", "client_assertion_type", "client_secret", "assertion"}
)
#: Who is no caller; also what a token's list says to open it to everyone.
ANONYMOUS = "anonymous"
#: JWS algorithms a client may sign with (RFC 7518 section 3.1, RFC 8037, RFC 9864).
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
#: Claims of an assertion that the broker sets (RFC 7523 section 3); further claims cannot replace them.
RESERVED_CLAIMS = frozenset({"iss", "sub", "aud", "exp", "iat", "nbf", "jti"})


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form of every section."""


class CallerSettings(Struct, frozen=True):
    """Who a workload is: told by a secret it sends, or by the user it runs as on the other end of a Unix socket."""

    secret_file: Annotated[
        str | None,
        Meta(
            description="A file with the secret that it sends (Authorization: Bearer, or client_secret), of 16 bytes at"
            " least; two lines are two valid secrets, for a change without a gap. Re-read when it changes."
        ),
    ] = None
    create: Annotated[
        bool, Meta(description="Write 32 random bytes into secret_file, readable for its group, if there is none.")
    ] = False
    uid: Annotated[
        int | None, Meta(ge=0, description="The user id it runs as; needs a unix: address in api.listen (Linux).")
    ] = None


class Limits(Struct, frozen=True):
    """What connections may cost: each one, and all of the listener's together."""

    line: Annotated[int, Meta(ge=256, description="Bytes of the first line of a request.")] = 4096
    field: Annotated[int, Meta(ge=256, description="Bytes of one header field.")] = 8190
    fields: Annotated[int, Meta(ge=8, description="Header fields of a request.")] = 64
    head: Annotated[int, Meta(ge=1024, description="Bytes of a whole request head.")] = 16384
    body: Annotated[int, Meta(ge=1024, description="Bytes of a body.")] = 65536
    buffered: Annotated[
        int,
        Meta(
            ge=1 << 20,
            description="Memory in bytes, for all connections together, of requests not yet answered and of answers not"
            " yet read. Above it the connection with the most is closed.",
        ),
    ] = 4 << 20
    first_byte_timeout: Annotated[Duration, Meta(description="From the connection to the first byte of a request.")] = (
        Duration(5)
    )
    head_timeout: Annotated[Duration, Meta(description="From the first byte of a head to its last.")] = Duration(10)
    body_timeout: Annotated[Duration, Meta(description="For the whole of a body.")] = Duration(10)
    send_timeout: Annotated[
        Duration, Meta(description="Until a client that takes nothing of its answer is disconnected.")
    ] = Duration(10)
    idle_timeout: Annotated[
        Duration, Meta(description="Until a connection without a request is closed; clients keep theirs for 60s often.")
    ] = Duration(75)


class AdminLimits(Limits, frozen=True):
    """What connections to the admin listener may cost: each one, and all of them together."""

    idle_timeout: Annotated[Duration, Meta(description="Until a connection without a request is closed.")] = Duration(
        10
    )


class Api(Struct, frozen=True):
    """The workload API: what the containers beside the broker ask."""

    listen: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="Where workloads ask: loopback addresses such as localhost:7180, and unix: paths. Anything else"
            " is refused, because tokens are handed out here.",
        ),
    ] = ("localhost:7180",)
    require_header: Annotated[
        bool,
        Meta(
            description='Every /v1 request must carry "Metadata: true", which a browser or a tricked server cannot add.'
        ),
    ] = True
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(description="Host names accepted besides localhost and loopback literals, without port (TCP only)."),
    ] = ()
    token_endpoint: Annotated[
        Literal["callers", "open", "off"],
        Meta(
            description="POST /oauth2/token for unmodified OAuth clients: callers (a caller's secret is always needed),"
            " open (a token without callers needs none; warned about) or off."
        ),
    ] = "callers"  # noqa: S105 - a word of the configuration
    max_connections: Annotated[
        int,
        Meta(
            ge=1,
            description="Connections held at once on each address; when there are more, idle ones are closed first.",
        ),
    ] = 512
    limits: Limits = Limits()
    fast_path: Annotated[
        bool, Meta(description="Answer from the response cache; false is always correct, and slower.")
    ] = True
    first_token_wait: Annotated[
        Duration,
        Meta(
            description="How long a request for a token that is absent waits at most while one is being fetched, in a"
            " quarter of max_connections; 0s answers 503 at once. At most 30s."
        ),
    ] = Duration(1)
    callers: Annotated[
        dict[Name, CallerSettings],
        Meta(
            description="Who may ask. Once one is defined, a token without a list of its own needs any of them, so"
            " what was open closes."
        ),
    ] = {}


class Admin(Struct, frozen=True):
    """Health, metrics and public keys; no secret is served here."""

    listen: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description='Addresses for probes and metrics; ":7181" is every address family the host has.',
        ),
    ] = (":7181",)
    status: Annotated[
        Literal["loopback", "any", "off"],
        Meta(
            description="Who may read the status page (/) and the texts of failures: loopback peers (kubectl"
            " port-forward is one), any peer, or nobody (off)."
        ),
    ] = "loopback"
    max_connections: Annotated[
        int,
        Meta(
            ge=4,
            description="Connections held at once on each address, a quarter of them by one peer; when there are more,"
            " idle ones are closed first.",
        ),
    ] = 64
    limits: AdminLimits = AdminLimits()


class Shutdown(Struct, frozen=True):
    """What happens after SIGTERM."""

    drain: Annotated[
        Duration, Meta(description="Keep serving this long after SIGTERM, for pods without native sidecars.")
    ] = Duration(0)


class Startup(Struct, frozen=True):
    """What /startupz promises."""

    wait: Annotated[Wait, Meta(description='/startupz turns 200 after this even without tokens; or "forever".')] = Wait(
        60
    )


class Log(Struct, frozen=True):
    """What is written to stdout."""

    format: Annotated[
        Literal["auto", "json", "text"],
        Meta(description="One JSON object or one text line an event; auto: text on a terminal."),
    ] = "auto"
    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least important events that are written.")
    ] = "info"
    audit: Annotated[bool, Meta(description="One line for every token handed out.")] = False


class Http(Struct, frozen=True):
    """How authorization servers are reached."""

    timeout: Annotated[Duration, Meta(description="For one whole request.")] = Duration(10)
    connect_timeout: Annotated[Duration, Meta(description="For the connection, TLS included; at most timeout.")] = (
        Duration(3)
    )
    proxy: Annotated[
        str | None,
        Meta(
            description="The proxy's URL, without a password. null: HTTPS_PROXY, HTTP_PROXY and NO_PROXY from the"
            " environment. none: no proxy."
        ),
    ] = None
    proxy_password_file: Annotated[
        str | None, Meta(description="A file with the proxy's password; the user stands in the URL.")
    ] = None
    ca_file: Annotated[
        str | None, Meta(description="PEM certificates trusted besides the system's; re-read when they change.")
    ] = None


class KeySettings(Struct, frozen=True):
    """Where one private key is, and what it is called."""

    file: Annotated[
        str, Meta(description="PEM, JWK, JWKS, or the key file of Google or Zitadel; re-read when its content changes.")
    ]
    kid: Annotated[str | None, Meta(description="Key id as registered at the provider; by default the JWK's own.")] = (
        None
    )
    kid_file: Annotated[str | None, Meta(description="A file that holds the key id, instead of kid.")] = None
    algorithm: Annotated[
        str | None,
        Meta(
            description="What to sign with; by default the first of the client's algorithms that suits the key.",
            extra_json_schema={"enum": [*ALGORITHMS, None]},
        ),
    ] = None
    passphrase_file: Annotated[str | None, Meta(description="A file with the passphrase of an encrypted PEM.")] = None
    certificate_file: Annotated[
        str | None,
        Meta(
            description="A PEM file with the key's X.509 certificate, for servers that find the key by its thumbprint"
            " (x5t#S256, as Microsoft Entra ID does)."
        ),
    ] = None


class Assertion(Struct, frozen=True):
    """The JWT the client proves itself with, or asks with where the grant is jwt_bearer (RFC 7523 section 3)."""

    audience: Annotated[
        str,
        Meta(
            description="The aud claim: token_endpoint or issuer (the URL of either), or a literal. By default the"
            " provider's; generic has none, so it must be written there."
        ),
    ]
    lifetime: Annotated[
        Duration, Meta(description="From iat to exp; at least 10s, at most what the provider takes.")
    ] = Duration(60)
    typ: Annotated[str, Meta(description="The typ header; client-authentication+jwt where the server asks for it.")] = (
        "JWT"
    )
    claims: Annotated[
        dict[str, object], Meta(description="Further claims; not iss, sub, aud, exp, iat, nbf or jti.")
    ] = {}
    claims_file: Annotated[
        str | None, Meta(description="Further claims as a JSON object in a file, for secret ones.")
    ] = None


class Dpop(Struct, frozen=True):
    """Tokens that only who holds a key can use (RFC 9449); the broker makes that key and keeps it."""

    algorithm: Annotated[Literal["ES256", "RS256"], Meta(description="What proofs are signed with.")] = "ES256"
    targets: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins of the APIs that workloads may ask proofs for, https://HOST[:PORT]; http on loopback"
            " only. Okta's own APIs need not be written."
        ),
    ] = ()


class ClientSettings(Struct, frozen=True, kw_only=True):
    """One registration at an authorization server."""

    provider: Annotated[
        str, Meta(description="The preset that knows what the server wants; see the table of providers.")
    ] = "generic"
    issuer: Annotated[
        str | None,
        Meta(
            description="Issuer identifier, exactly as the server writes it; its metadata names the token endpoint"
            " (RFC 8414 or OpenID Connect Discovery)."
        ),
    ] = None
    token_endpoint: Annotated[
        str | None,
        Meta(description="The token endpoint's URL, instead of discovery; needed, unless there is an issuer."),
    ] = None
    allow_http: Annotated[
        bool, Meta(description="Permit plain http beyond loopback. Tokens can then be read on the way; warned about.")
    ] = False
    client_id: Annotated[str, Meta(description="The client's identifier at the server.")]
    send_client_id: Annotated[
        bool, Meta(description="Also send client_id in the form; by default as the provider wants it.")
    ] = False
    private_keys: Annotated[
        tuple[KeySettings, ...],
        Meta(min_length=1, description="Several keys, in order of preference, instead of private_key."),
    ] = ()
    assertion_file: Annotated[
        str | None,
        Meta(
            description="A file with a JWT that somebody else keeps fresh, instead of a key: a projected service"
            " account token, a SPIFFE JWT-SVID. Re-read for every request."
        ),
    ] = None
    algorithms: Annotated[
        tuple[str, ...],
        Meta(
            description="What the server accepts, in order of preference; by default the provider's. Empty: whatever"
            " suits the key.",
            extra_json_schema={"items": {"enum": list(ALGORITHMS)}},
        ),
    ] = ()
    assertion: Assertion
    dpop: Annotated[
        Dpop | None,
        Meta(description="Ask for tokens that are bound to a key of the broker's (RFC 9449); workloads ask proofs."),
    ] = None
    max_clock_offset: Annotated[
        Duration,
        Meta(description="Up to here a clock that differs from the server's is corrected, beyond only reported."),
    ] = Duration(300)
    http: Annotated[
        Http, Meta(description="How this server is reached; what is not written is as in the top-level http.")
    ] = Http()


class Refresh(Struct, frozen=True):
    """When a token is replaced."""

    ahead: Annotated[
        Ahead,
        Meta(
            description="How long before expiry: auto, a duration, or a share of the lifetime such as 20%; never more"
            " than 90% of the lifetime."
        ),
    ] = Ahead("auto")


class JwtBearer(Struct, frozen=True):
    """What the assertion says where it is the grant itself (RFC 7523 section 2.1)."""

    issuer: Annotated[str | None, Meta(description="Its iss claim; by default the client_id.")] = None
    subject: Annotated[
        str | None,
        Meta(
            description="Its sub claim, as whom the token acts: client_id (the client's), or a literal. By default as"
            " the provider wants it, else there is none."
        ),
    ] = None
    scope_in: Annotated[
        Literal["assertion", "form"],
        Meta(description="Where the scopes stand: as its scope claim, or beside it; by default as the provider wants."),
    ] = "form"


class SinkSettings(Struct, frozen=True):
    """A file that always holds the current token, for programs that can read nothing else."""

    path: Annotated[
        str,
        Meta(
            description="The file; replaced whole, so that no reader sees half of it. Its directory must not be a"
            " symlink, nor any on the way to it in a volume."
        ),
    ]
    format: Annotated[
        Literal["raw", "json", "header"],
        Meta(description="The bare token, a JSON object with its expiry, or an Authorization header line."),
    ] = "raw"
    mode: Annotated[
        str,
        Meta(description="Its permissions from the first moment on; readers only, besides the owner."),
    ] = "0640"
    remove_on_shutdown: Annotated[
        bool, Meta(description="Remove it when the broker stops; else it stays until it expires or a broker starts.")
    ] = False
    ignores_callers: Annotated[
        bool, Meta(description="Permit it for a token with callers, though whoever may read the file gets the token.")
    ] = False


class TokenSettings(Struct, frozen=True):
    """One token to keep fresh and hand out."""

    client: Annotated[str, Meta(description="Who asks for it; may be left out when there is one client.")]
    grant: Annotated[
        Literal["client_credentials", "jwt_bearer"],
        Meta(
            description="How it is asked for; by default as the provider wants it. With jwt_bearer the assertion is the"
            " grant itself, and nothing else says who asks."
        ),
    ] = "client_credentials"
    jwt_bearer: JwtBearer = JwtBearer()
    scopes: Annotated[tuple[str, ...], Meta(description="One entry a scope.")] = ()
    audience: Annotated[str | None, Meta(description="The audience form field; Auth0 wants the API's identifier.")] = (
        None
    )
    resource: Annotated[
        tuple[str, ...],
        Meta(description="Absolute URIs of the APIs it is meant for (RFC 8707); stated where the scopes are."),
    ] = ()
    parameters: Annotated[
        dict[str, str], Meta(description="Further form fields; may not override what the broker sends itself.")
    ] = {}
    parameters_file: Annotated[
        str | None, Meta(description="Further form fields as a JSON object in a file, for secret ones.")
    ] = None
    extra_fields: Annotated[
        tuple[str, ...],
        Meta(description="Members of the server's answer to hand out beside the token, such as instance_url."),
    ] = ()
    refresh: Refresh = Refresh()
    assume_lifetime: Annotated[Duration, Meta(description="How long it lives when the server does not say.")] = (
        Duration(300)
    )
    required: Annotated[bool, Meta(description="Counts for readiness.")] = True
    callers: Annotated[
        tuple[str, ...] | None,
        Meta(
            min_length=1,
            description="Who may have it, names from api.callers. Without a list everyone, or any caller once there are"
            " some; [anonymous] opens it on purpose.",
        ),
    ] = None
    sinks: Annotated[tuple[SinkSettings, ...], Meta(description="Files that hold it.")] = ()

    @property
    def our_fields(self) -> frozenset[str]:
        """The form fields that the broker says itself, so that `parameters` may not."""
        further = {"audience": self.audience, "resource": self.resource}
        return FORM_FIELDS | {name for name, value in further.items() if value}


class Settings(Struct, frozen=True, kw_only=True):
    """Everything."""

    api: Api = Api()
    admin: Admin = Admin()
    shutdown: Shutdown = Shutdown()
    startup: Startup = Startup()
    log: Log = Log()
    clients: Annotated[
        dict[Name, ClientSettings], Meta(min_length=1, description="Registrations at authorization servers, by name.")
    ]
    tokens: Annotated[
        dict[Name, TokenSettings],
        Meta(min_length=1, description="Tokens to keep fresh; a workload asks for them by name."),
    ]
