"""Providers to whom a client proves itself with its assertion (RFC 7523 section 2.2)."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc.jwk import ECKey

from providers.grants import token
from providers.jwts import Jwt, Key, Refused, read
from providers.servers import Asked

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "api://AzureADTokenExchange"


def client_assertion(asked: Asked) -> Jwt:
    """What is in the form."""
    if asked.form.get("grant_type") != "client_credentials":
        raise Refused("unsupported_grant_type")
    if asked.form.get("client_assertion_type") != ASSERTION or "assertion" in asked.form:
        raise Refused("invalid_request", "The client_assertion_type is invalid.")
    return read(asked.form.get("client_assertion", ""), else_say=Refused("invalid_client", "no JWT", status=401))


@dataclass(kw_only=True)
class Asserting:
    """A provider of the usual kind; what they differ in are the members.

    `audience` is what it wants, one text. `lifetime` is what may lie between `iat` and `exp`. `scopes` are all that it
    grants. `fields` are what else it wants in the form. Where `nonce` is set, it binds tokens to a key and wants to see
    that.
    """

    issuer: str | None
    token_endpoint: str
    client_id: str
    keys: Mapping[str, Key]
    audience: str
    algorithms: tuple[str, ...] = ("RS256",)
    lifetime: float = 300
    typ: str | None = None
    scopes: Collection[str] = ()
    needs_scope: bool = False
    needs_kid: bool = True
    fields: Mapping[str, str] = field(default_factory=dict)
    nonce: str | None = None
    seen: set[str] = field(default_factory=set)
    thumbprints: list[str] = field(default_factory=list)

    def grant(self, asked: Asked) -> dict[str, Any]:
        jwt = client_assertion(asked)
        self._client(asked, jwt)
        if self.nonce:
            self.thumbprints.append(self._proved(asked))
        asked_for = asked.form.get("scope", "").split()
        if not set(asked_for) <= set(self.scopes) or (self.needs_scope and not asked_for):
            raise Refused("invalid_scope", "No scopes were requested.")
        if not self.fields.items() <= asked.form.items():
            raise Refused("access_denied", "a parameter is missing", status=403)
        kind = "DPoP" if self.nonce else "Bearer"
        body = {"access_token": token(), "token_type": kind, "expires_in": 3600}
        return body | ({"scope": " ".join(asked_for)} if asked_for else {})

    def _client(self, asked: Asked, jwt: Jwt) -> None:
        def refused(description: str) -> Refused:
            return Refused("invalid_client", description, status=401)

        claims, kid = jwt.claims, jwt.header.get("kid")
        if claims.get("iss") != self.client_id or claims.get("sub") != self.client_id:
            raise refused("iss and sub")
        all_keys = kid is None and not self.needs_kid
        keys = [key for name, key in self.keys.items() if name == kid or all_keys]
        if not any(jwt.is_signed_by(key, *self.algorithms) for key in keys):
            raise refused("kid, algorithm or signature")
        if self.typ and jwt.header.get("typ") != self.typ:
            raise refused("typ")
        if claims.get("aud") != self.audience:
            raise refused("aud")
        if not jwt.lives(asked.now, longest=self.lifetime):
            raise refused("iat and exp")
        if not claims.get("jti") or claims["jti"] in self.seen:
            raise refused("jti")
        self.seen.add(claims["jti"])
        if asked.form.get("client_id", self.client_id) != self.client_id:
            raise refused("client_id")

    def _proved(self, asked: Asked) -> str:
        """The thumbprint of the key that the proof shows (RFC 9449 section 4.3)."""
        missing = Refused("invalid_dpop_proof", "The DPoP proof JWT header is missing.")
        proof = read(asked.headers.get("DPoP", ""), else_say=missing)
        if proof.claims.get("nonce") != self.nonce:
            description = "Authorization server requires nonce in DPoP proof."
            raise Refused("use_dpop_nonce", description, DPoP_Nonce=str(self.nonce))
        key = proof_key(proof)
        expected = {"htm": "POST", "htu": self.token_endpoint}
        if not expected.items() <= proof.claims.items() or not asked.now - 300 <= proof.claims["iat"] <= asked.now:
            raise Refused("invalid_dpop_proof", "htm, htu or iat")
        if proof.claims["jti"] in self.seen:
            raise Refused("invalid_dpop_proof", "The DPoP proof JWT has already been used.")
        self.seen.add(proof.claims["jti"])
        return str(key.thumbprint())


def proof_key(proof: Jwt) -> ECKey:
    """The key that `proof` shows and is signed with; ES256, as is the broker's default."""
    jwk = proof.header.get("jwk")
    if proof.header.get("typ") != "dpop+jwt" or not isinstance(jwk, dict) or jwk.keys() != {"kty", "crv", "x", "y"}:
        raise Refused("invalid_dpop_proof", "typ or jwk")
    key = ECKey.import_key(jwk)
    if not proof.is_signed_by(key, "ES256"):
        raise Refused("invalid_dpop_proof", "signature")
    return key


@dataclass
class Entra:
    """An app registration with certificates, by their thumbprints, and with federated credentials."""

    token_endpoint: str
    client_id: str
    certificates: Mapping[str, Key] = field(default_factory=dict)
    federated: Mapping[tuple[str, str], Key] = field(default_factory=dict)
    lifetime: int = 3599
    issuer: str | None = None

    def grant(self, asked: Asked) -> dict[str, Any]:
        if "client_id" not in asked.form:
            description = "AADSTS900144: The request body must contain the following parameter: 'client_id'."
            raise Refused("invalid_request", description)
        jwt = client_assertion(asked)
        if asked.form["client_id"] != self.client_id:
            raise Refused("unauthorized_client", "AADSTS700016: Application not found in the directory.")
        if jwt.claims.get("iss") == self.client_id:
            self._certified(jwt)
        else:
            self._federated(jwt)
        expires = jwt.claims.get("exp")
        if type(expires) is not int or expires <= asked.now or jwt.claims.get("nbf", 0) > asked.now:
            description = "AADSTS700024: Client assertion is not within its valid time range."
            raise Refused("invalid_client", description, status=401)
        scope = asked.form.get("scope", "")
        if not scope.endswith("/.default") or " " in scope:
            raise Refused(
                "invalid_scope", "AADSTS70011: The provided value for the input parameter 'scope' is not valid."
            )
        return {
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "ext_expires_in": self.lifetime,
            "access_token": f"eyJ0{secrets.token_urlsafe(40)}",
        }

    def _certified(self, jwt: Jwt) -> None:
        key = self.certificates.get(str(jwt.header.get("x5t#S256")))
        if key is None or not jwt.is_signed_by(key, "PS256", "RS256"):
            raise Refused(
                "invalid_client",
                "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on"
                " application. [Reason - The key was not found.]",
                status=401,
            )
        if jwt.claims.get("sub") != self.client_id or jwt.claims.get("aud") != self.token_endpoint:
            raise Refused("invalid_client", "AADSTS700023: Client assertion audience claim does not match.", status=401)

    def _federated(self, jwt: Jwt) -> None:
        audience = jwt.claims.get("aud")
        key = self.federated.get((str(jwt.claims.get("iss")), str(jwt.claims.get("sub"))))
        if key is None or audience not in (EXCHANGE, [EXCHANGE]) or not jwt.is_signed_by(key, "RS256"):
            raise Refused(
                "invalid_client",
                "AADSTS70021: No matching federated identity record found for presented assertion.",
                status=401,
            )
