"""An example API modelled on Okta's, for Bearer tokens (RFC 6750) and DPoP tokens (RFC 9449 section 7)."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from broker.devserver import texts, wire
from broker.devserver.access import AccessTokens
from broker.devserver.proofs import ProofVerifier
from broker.devserver.received import ALGORITHMS
from broker.devserver.texts import ApiError, Refusal, RefusedError

PATH = "/api/v1/users"
_USER = {"id": "00u1", "status": "ACTIVE", "profile": {"login": "ada@example.com", "firstName": "Ada"}}


class Users:
    """Lists users for a valid access token; a DPoP token also needs a proof, verified by `proofs`."""

    def __init__(self, tokens: AccessTokens, proofs: ProofVerifier) -> None:
        self._tokens = tokens
        self._proofs = proofs

    def answer(self, request: web.BaseRequest, issuer: str, now: float) -> web.Response:
        """Answer one request. `issuer` is the server's base URL as addressed by the request, `now` epoch seconds."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        scheme, token = scheme.lower(), token.strip()
        sent = request.headers.getall("DPoP", [])
        claims = self._tokens.claims(token) if scheme in {"bearer", "dpop"} else None
        if claims is None or now >= claims["exp"]:
            why = "The access token is invalid." if claims is None else "The token has expired."
            return _challenge(texts.BAD_TOKEN, "DPoP" if scheme == "dpop" else "Bearer", "invalid_token", why)
        bound_to = claims.get("cnf", {}).get("jkt")
        try:
            _scheme(scheme, bound_to, sent)
            if bound_to is not None:
                url = issuer + PATH
                thumbprint = self._proofs.judge(sent, method=request.method, url=url, now=now, access_token=token)
                if thumbprint != bound_to:
                    raise RefusedError(texts.NOT_BOUND_TO_PROOF)
        except RefusedError as error:
            said = texts.API_WANTS_NONCE if error.refusal is texts.USE_NONCE else error.refusal
            assert isinstance(said, Refusal)  # noqa: S101 - proof errors are never an ApiError
            answer = _challenge(said, "DPoP", said.error, said.description)
        else:
            answer = wire.as_json([_USER])
        if sent and self._proofs.nonce_required:
            answer.headers["DPoP-Nonce"] = self._proofs.nonce()
        return answer


def _scheme(scheme: str, bound_to: str | None, sent: list[str]) -> None:
    """Require the scheme DPoP and a proof for a bound token, Bearer for any other. Raises RefusedError."""
    if bound_to is None and scheme == "dpop":
        raise RefusedError(texts.NOT_BOUND)
    if bound_to is not None and scheme != "dpop":
        raise RefusedError(texts.WRONG_SCHEME)
    if bound_to is not None and not sent:
        raise RefusedError(texts.PROOF_REQUIRED)


def _challenge(said: Refusal | ApiError, scheme: str, error: str, description: str) -> web.Response:
    algorithms = {"algs": " ".join(ALGORITHMS)} if scheme == "DPoP" else {}
    parameters: Mapping[str, Any] = {"realm": "okta", **algorithms, "error": error, "error_description": description}
    challenge = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
    return wire.refusal(said, {"WWW-Authenticate": f"{scheme} {challenge}"})
