"""What a row of the table of providers is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec import Struct

Key = Literal[
    "issuer",
    "client_id",
    "send_client_id",
    "assertion.audience",
    "assertion.typ",
    "assertion.claims",
    "certificate_file",
    "grant",
    "jwt_bearer.subject",
    "jwt_bearer.scope_in",
    "scopes",
    "audience",
    "resource",
    "assume_lifetime",
]


class Rule(Struct, frozen=True, kw_only=True):
    """The value of `key`, of a client, a key or a token, fully matches `pattern`, else `reason` says why it can't work.

    Lists are joined by spaces, of claims the names; booleans are `true` or `false`, durations as the file writes them.
    An absent key of a token or of a private key is the empty string, an absent one of a client is not looked at. `path`
    limits the rule to servers whose token endpoint (else issuer) has such a path, `grant` to tokens asked for in such a
    way.
    """

    key: Key
    pattern: str
    reason: str
    path: str = r".*"
    grant: str = r".*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One provider: a partial `client` and a partial `token`, to be laid under what is written.

    `client["algorithms"]`, where there is one, is all that it accepts, in order of preference. `elsewhere` has what
    differs for servers on other hosts, by a pattern of the host: partial clients that go before `client`.
    `max_lifetime` is what it accepts of an assertion, in seconds. `hosts` are those a token endpoint found by discovery
    may have besides the issuer's. Tokens of a server with such an `own_api` path are for the server's own origin, so
    that this is where DPoP proofs are for when nothing is written. Of `rules` a broken one is an error, of `cautions` a
    sentence said once at start.
    """

    title: str
    client: Mapping[str, Any]
    token: Mapping[str, Any] = field(default_factory=dict)
    elsewhere: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    max_lifetime: float | None = None
    hosts: tuple[str, ...] = ()
    own_api: str | None = None
    rules: tuple[Rule, ...] = ()
    cautions: tuple[Rule, ...] = ()


RS = ("RS256", "RS384", "RS512")
PS = ("PS256", "PS384", "PS512")
ES = ("ES256", "ES384", "ES512")
