"""The words of a diagnosis: who acts, and the closed set of reasons."""

from collections.abc import Mapping
from enum import Enum
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace


class Act(Enum):
    """Who must act next; `schedule` derives the pause from it."""

    SERVER = "server"  # the server or the network: retry with back-off
    LIMIT = "limit"  # the server said when to come back
    REBUILD = "rebuild"  # nobody: a new assertion, at once, once
    CLOCK = "clock"  # correct by the server's Date and retry once; then whoever keeps the clocks
    KEY = "key"  # whoever registered or mounted the key
    OPERATOR = "operator"  # whoever configured the client or the token


Reason = Literal[
    "dns_failed", "connect_failed", "timeout", "tls_failed", "proxy_failed", "connection_lost", "ca_file",
    "server_error", "rate_limited", "redirected", "bad_answer",
    "discovery_failed", "issuer_mismatch", "token_endpoint_moved", "wrong_server",
    "key_file", "secret_file",
    "clock", "assertion_replayed", "assertion_refused", "audience_refused",
    "algorithm_refused", "signature_refused", "kid_refused", "key_expired", "jwks_refused",
    "auth_method", "client_unknown", "client_refused",
    "request_refused", "grant_refused", "scope_refused", "target_refused", "policy_refused", "network_zone",
    "dpop_required", "dpop_refused",
    "starting", "defect", "unknown",
]  # fmt: skip

#: The closed set, in the order in which a token request meets them, with what each one means.
#: It is a metric label and the `reason` of a 503: a code may be added, but neither renamed nor given another meaning.
REASONS: Mapping[Reason, str] = {
    "dns_failed": "The server's host name was not resolved.",
    "connect_failed": "No connection to the server was made.",
    "timeout": "The server, or the way to it, took too long.",
    "tls_failed": "No trusted TLS connection was made.",
    "proxy_failed": "The HTTP proxy on the way did not let the request through.",
    "connection_lost": "The connection broke before the answer was complete.",
    "ca_file": "The file of additional trusted certificates cannot be used.",
    "server_error": "The server failed, or says that it is unavailable.",
    "rate_limited": "The server asks this client to stay away for a while.",
    "redirected": "The token endpoint redirects, which is never followed with an assertion.",
    "bad_answer": "The server said yes in a form that cannot be used.",
    "discovery_failed": "The issuer's metadata cannot be used.",
    "issuer_mismatch": "The metadata names another issuer than the configured one.",
    "token_endpoint_moved": "The metadata names a token endpoint on a host that was not agreed to.",
    "wrong_server": "What was asked is not the token endpoint for this client.",
    "key_file": "A private key file cannot be used.",
    "secret_file": "Another file that the request needs cannot be used.",
    "clock": "The broker's clock and the server's disagree.",
    "assertion_replayed": "The server has seen this assertion before.",
    "assertion_refused": "The server cannot make sense of the assertion.",
    "audience_refused": "The assertion is addressed to something else than the server expects.",
    "algorithm_refused": "The server does not take this signature algorithm, or not from this key.",
    "signature_refused": "The signature does not belong to a key that is registered.",
    "kid_refused": "The server finds no registered key by the assertion's key id.",
    "key_expired": "The key's registration, or its certificate, has run out.",
    "jwks_refused": "The server has no usable public key of this client.",
    "auth_method": "The client is registered for another way of proving itself, or two ways were used at once.",
    "client_unknown": "The server does not know this client, or has it deactivated.",
    "client_refused": "The server refused the client and does not say why.",
    "request_refused": "The server finds the request malformed.",
    "grant_refused": "The client may not use this grant.",
    "scope_refused": "The requested scopes are not granted.",
    "target_refused": "The requested resource or audience is not accepted.",
    "policy_refused": "A policy of the server denied the request.",
    "network_zone": "The request came from an address that the server does not permit.",
    "dpop_required": "The server binds this client's tokens to a key (DPoP).",
    "dpop_refused": "The server did not accept the DPoP proof.",
    "starting": "The first attempt has not ended yet.",
    "defect": "An unexpected exception in the broker ended the attempt.",
    "unknown": "The broker does not know this refusal; the server's own words are all there is.",
}


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What went wrong, for the person on call, in one line.

    `reason` is one of the closed codes of `REASONS`; `words` are the server's own (or the system's, when no server
    answered), cleaned and bounded; `wait` is how many seconds the server asked us to stay away. `steps` say the same as
    `fix`, one click a step, where that is known.
    """

    reason: Reason
    act: Act
    cause: str
    fix: str
    words: str = ""
    wait: float | None = None
    steps: tuple[str, ...] = ()

    def named(self, *, client: str, token: str) -> "Diagnosis":
        """The same, with the names that the tables leave open: cause and fix can be copied as they stand."""
        names = {
            "clients.<name>": f"clients.{client}",
            "tokens.<name>": f"tokens.{token}",
            "--client NAME": f"--client {client}",
        }
        cause, fix, *steps = (_replaced(text, names) for text in (self.cause, self.fix, *self.steps))
        return replace(self, cause=cause, fix=fix, steps=tuple(steps))


def _replaced(text: str, names: Mapping[str, str]) -> str:
    for place, name in names.items():
        text = text.replace(place, name)
    return text
