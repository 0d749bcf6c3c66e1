"""Providers to whom the assertion is the grant (RFC 7523 section 2.1), each with its own checks and its own words."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.jwts import Jwt, Key, Refused, read
from providers.servers import Asked

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLE = "https://oauth2.googleapis.com/token"


def token() -> str:
    """Opaque, and new each time."""
    return secrets.token_urlsafe(32)


def assertion(asked: Asked, *, else_say: Refused) -> Jwt:
    """What is in the form. A client that also proves itself in another way has misunderstood this grant."""
    if asked.form.get("grant_type") != GRANT:
        raise Refused("unsupported_grant_type", f"Invalid grant_type: {asked.form.get('grant_type', '')}")
    if {"client_assertion", "client_assertion_type", "client_secret"} & asked.form.keys():
        raise Refused("invalid_request", "no client authentication with this grant")
    return read(asked.form.get("assertion", ""), else_say=else_say)


def key_of(keys: Mapping[str, Key], jwt: Jwt, *algorithms: str, else_say: Refused) -> str:
    """The kid that the assertion names, and whose key signed it."""
    kid = jwt.header.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None or not jwt.is_signed_by(key, *algorithms):
        raise else_say
    return str(kid)


@dataclass
class Google:
    """Service accounts: their keys by kid, and the users that each may act as."""

    token_endpoint: str
    accounts: Mapping[str, Mapping[str, Key]]
    delegated: Collection[tuple[str, str]] = ()
    issuer: str | None = None

    def grant(self, asked: Asked) -> dict[str, Any]:
        jwt = assertion(asked, else_say=Refused("invalid_grant", "Bad Request"))
        claims = jwt.claims
        if claims.get("iss") not in self.accounts:
            raise Refused("invalid_grant", "Invalid grant: account not found")
        signature = Refused("invalid_grant", "Invalid JWT Signature.")
        key_of(self.accounts[claims["iss"]], jwt, "RS256", else_say=signature)
        if claims.get("aud") != GOOGLE:
            raise Refused("invalid_grant", "Invalid JWT: Failed audience check.")
        if not jwt.lives(asked.now, longest=3600):
            raise Refused(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your"
                " iat and exp values in the JWT claim.",
            )
        if not isinstance(claims.get("scope"), str) or not claims["scope"]:
            raise Refused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        if "sub" in claims and (claims["iss"], claims["sub"]) not in self.delegated:
            raise Refused(
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any"
                " of the scopes requested.",
                status=401,
            )
        return {"access_token": token(), "expires_in": 3599, "token_type": "Bearer"}


@dataclass
class Salesforce:
    """One app with one certificate, and the users it was approved for. It knows no kid, and names no lifetime."""

    token_endpoint: str
    consumer_key: str
    key: Key
    approved: Collection[str]
    audience: str = "https://login.salesforce.com"
    issuer: str | None = None

    def grant(self, asked: Asked) -> dict[str, Any]:
        jwt = assertion(asked, else_say=Refused("invalid_grant", "invalid assertion"))
        claims = jwt.claims
        if claims.get("iss") != self.consumer_key:
            raise Refused("invalid_client_id", "client identifier invalid")
        if not jwt.is_signed_by(self.key, "RS256"):
            raise Refused("invalid_grant", "invalid assertion")
        if claims.get("aud") != self.audience:
            raise Refused("invalid_grant", "audience is invalid")
        expires = claims.get("exp")
        if type(expires) is not int or not asked.now < expires <= asked.now + 180:
            raise Refused("invalid_grant", "invalid assertion expiration")
        if claims.get("sub") not in self.approved:
            raise Refused("invalid_grant", "user hasn't approved this consumer")
        return {
            "access_token": f"00D5g000000acme!{token()}",
            "scope": "api web",
            "instance_url": "https://acme.my.salesforce.com",
            "id": "https://login.salesforce.com/id/00D5g000000acme/0055g000000user",
            "token_type": "Bearer",
        }


@dataclass
class Digdir:
    """Maskinporten and ID-porten: no claim that is not in `known`, no assertion twice, all scopes or none."""

    issuer: str
    token_endpoint: str
    client_id: str
    keys: Mapping[str, Key]
    scopes: Collection[str]
    known: Collection[str]
    seen: set[str] = field(default_factory=set)

    def grant(self, asked: Asked) -> dict[str, Any]:
        refusal = "Invalid assertion. Client authentication failed."
        jwt = assertion(asked, else_say=Refused("invalid_grant", refusal))
        claims = jwt.claims
        required = {"aud", "iss", "iat", "exp", "scope"}
        if not required <= claims.keys() <= required | {"jti", *self.known}:
            raise Refused("invalid_grant", f"Invalid assertion. {refusal}")
        if claims["aud"] != self.issuer:
            raise Refused("invalid_grant", f"{refusal} Invalid JWT claim aud")
        if claims["iss"] != self.client_id:
            raise Refused("invalid_grant", refusal)
        key_of(self.keys, jwt, "RS256", "RS384", "RS512", else_say=Refused("invalid_grant", refusal))
        if not jwt.lives(asked.now, longest=120, skew=10) or abs(asked.now - claims["iat"]) > 10:
            raise Refused("invalid_grant", f"{refusal} Invalid JWT claim iat or exp")
        if jwt.compact in self.seen:
            raise Refused("invalid_grant", "Grant is used before")
        self.seen.add(jwt.compact)
        if not isinstance(claims.get("resource", []), list):
            raise Refused("invalid_grant", f"{refusal} Invalid JWT claim resource")
        if not set(claims["scope"].split()) <= set(self.scopes):
            raise Refused("invalid_scope", "The client is not granted all of the scopes")
        return {"access_token": token(), "token_type": "Bearer", "expires_in": 119, "scope": claims["scope"]}


@dataclass
class DocuSign:
    """One integration key, the users that consented, and an audience that is the name of a host."""

    token_endpoint: str
    integration_key: str
    keys: Collection[Key]
    consented: Collection[str]
    audience: str = "account.docusign.com"
    issuer: str | None = None

    def grant(self, asked: Asked) -> dict[str, Any]:
        jwt = assertion(asked, else_say=Refused("invalid_grant"))
        claims = jwt.claims
        signed = any(jwt.is_signed_by(key, "RS256") for key in self.keys)
        if claims.get("iss") != self.integration_key or claims.get("aud") != self.audience or not signed:
            raise Refused("invalid_grant")
        if not jwt.lives(asked.now, longest=3600) or not isinstance(claims.get("scope"), str):
            raise Refused("invalid_grant")
        if "impersonation" in claims["scope"].split() and claims.get("sub") not in self.consented:
            raise Refused("consent_required")
        return {"access_token": token(), "token_type": "Bearer", "expires_in": 3600, "scope": claims["scope"]}


@dataclass
class Zitadel:
    """Service accounts by their user id; each has keys of its own."""

    issuer: str
    token_endpoint: str
    users: Mapping[str, Mapping[str, Key]]

    def grant(self, asked: Asked) -> dict[str, Any]:
        jwt = assertion(asked, else_say=Refused("invalid_request", "assertion invalid"))
        claims = jwt.claims
        audience = claims.get("aud")
        if self.issuer not in (audience if isinstance(audience, list) else [audience]):
            raise Refused("invalid_request", "audience is not valid: Audience must contain client_id")
        issued, expires = claims.get("iat"), claims.get("exp")
        if type(expires) is not int or expires <= asked.now + 1:
            raise Refused("invalid_request", "token has expired")
        if type(issued) is not int or not asked.now - 3600 <= issued <= asked.now + 1:
            raise Refused("invalid_request", "issuedAt of token is in the future, or too old")
        if claims.get("iss") != claims.get("sub") or claims.get("sub") not in self.users:
            raise Refused("invalid_request", "delegation not allowed, issuer and sub must be identical")
        missing = Refused("invalid_request", "error fetching keys: Errors.AuthNKey.NotFound")
        key_of(self.users[claims["iss"]], jwt, "RS256", else_say=missing)
        if "openid" not in asked.form.get("scope", "").split():
            raise Refused("invalid_scope", "openid is missing")
        return {"access_token": token(), "token_type": "Bearer", "expires_in": 43199}
