"""Preset and refusals of Keycloak; `tests/keycloak` checks them against a real server.

The sentences stand alone in new releases and behind "Client authentication with signed JWT failed: " in old ones; the
code is `invalid_client` or `unauthorized_client`, by release (keycloak/keycloak: AbstractBaseJWTValidator,
AbstractJWTClientValidator, JWTClientAuthenticator, DPoPUtil).
"""

from broker.core.diagnosis import Act
from broker.providers.preset import Preset
from broker.providers.rows import Row

# Keycloak's source, 2025: what it limits is the age of an assertion with iat, and ours is new for every request.
PRESET = Preset(title="Keycloak", client={"assertion": {"audience": "issuer"}})

REFUSED = ("invalid_client", "unauthorized_client")
#: RFC 9449 has invalid_dpop_proof, which releases before 26.1 said.
DPOP = ("invalid_request", "invalid_dpop_proof")
CREDENTIALS = "Keycloak's console > Clients > the client > Credentials"
KEYS = "Keycloak's console > Clients > the client > Keys"

ROWS = (
    Row(
        codes=REFUSED,
        says=("Token was issued in the future",),
        reason="clock",
        act=Act.CLOCK,
        cause="The assertion's iat is more than 15 s ahead of Keycloak's clock: this machine's clock is ahead.",
        fix="Synchronise the clocks of this node and of Keycloak's (NTP, chrony).",
    ),
    Row(
        codes=REFUSED,
        says=("Token is not active", "Token was issued too far in the past to be used now"),
        reason="clock",
        act=Act.CLOCK,
        cause="Keycloak finds the assertion expired, or older than the client's Max expiration (60 s unless"
        " configured): this machine's clock is behind, or the request was held up.",
        fix="Synchronise the clocks of this node and of Keycloak's (NTP, chrony); a longer"
        " clients.<name>.assertion.lifetime is no help.",
    ),
    Row(
        codes=REFUSED,
        says=(
            "Token exp claim is required",
            "Token jti claim is required",
            "Missing ID on the token",
            "Token expiration is too far in the future and iat claim not present in token",
        ),
        reason="assertion_refused",
        act=Act.OPERATOR,
        cause="The assertion has no exp, no jti or no iat, all of which the broker's own have: it came from"
        " clients.<name>.assertion_file, or was changed on its way.",
        fix="Have whoever makes that file put all three into it, permit reuse for it in Keycloak, or give the client a"
        " key of its own with clients.<name>.private_keys.",
    ),
    Row(
        codes=REFUSED,
        says=("Token reuse detected",),
        reason="assertion_replayed",
        act=Act.REBUILD,
        cause="Keycloak received the same assertion twice, although the broker makes a new one for every attempt.",
        fix="Nothing, if it does not come back: a new assertion is sent at once; otherwise turn off the retries of the"
        " proxy or service mesh between the broker and Keycloak.",
    ),
    Row(
        codes=REFUSED,
        says=("Invalid token audience", "Multiple audiences not allowed"),
        reason="audience_refused",
        act=Act.OPERATOR,
        cause="The assertion's aud is none of the realm's URLs as Keycloak itself knows them: often its hostname"
        " setting names another host than the one that is called.",
        fix="Write clients.<name>.issuer exactly as the realm's metadata does and leave out"
        " clients.<name>.assertion.audience, or correct Keycloak's hostname setting.",
    ),
    Row(
        codes=REFUSED,
        says=("Invalid signature algorithm", "Algorithm not supported", "Algorithm is not asymmetric"),
        reason="algorithm_refused",
        act=Act.KEY,
        cause="The assertion is not signed with the algorithm that the client is registered with.",
        fix=f"Set Signature algorithm under {CREDENTIALS} to Any algorithm or to the key's, or write that one as"
        " algorithm in clients.<name>.private_keys.",
    ),
    Row(
        codes=REFUSED,
        says=("Unable to load public key",),
        reason="kid_refused",
        act=Act.KEY,
        cause="Keycloak has no public key of this client with the assertion's kid: none was imported, or as a PEM, for"
        " which it makes up a kid, or the JWKS URL has got the key within ten seconds of Keycloak's last look.",
        fix=f"Under {KEYS} import what `token-broker jwks --client NAME` prints, as a file with a JSON Web Key Set, or"
        ' see that the kid is at the JWKS URL, with "use": "sig".',
        steps=(
            "Open Keycloak's console > Clients > the client > Credentials: Client Authenticator has to be Signed JWT.",
            (
                "Under Keys switch Use JWKS URL on, and give the URL where the output of `token-broker jwks --client"
                " NAME` is published."
            ),
            "Or switch it off, and import a file with that output; Archive format: JSON Web Key Set.",
        ),
    ),
    Row(
        codes=REFUSED,
        says=("Error when loading public keys",),
        reason="jwks_refused",
        # Another key may well be one that Keycloak has read before: it goes on taking those.
        act=Act.KEY,
        cause="Keycloak cannot read the client's public keys: its JWKS URL does not answer Keycloak as it should, or"
        " what was imported is no JSON Web Key Set.",
        fix=f"See that Keycloak reaches the JWKS URL under {KEYS}, and that what is there is the output of"
        " `token-broker jwks --client NAME`.",
    ),
    Row(
        codes=REFUSED,
        says=("Signature on JWT token failed validation",),
        reason="signature_refused",
        act=Act.KEY,
        cause="The private key is not the other half of the public key that Keycloak has for this client.",
        fix=f"Compare what `token-broker jwks --client NAME` prints with what is under {KEYS}; import it there, or"
        " mount the key that is registered.",
    ),
    Row(
        codes=REFUSED,
        says=("Signature on JWT token by client secret", "Missing client_id parameter"),
        reason="auth_method",
        act=Act.OPERATOR,
        cause="The client is registered for another way of proving itself: Signed JWT with Client Secret, or X509"
        " Certificate.",
        fix=f"Set Client Authenticator under {CREDENTIALS} to Signed JWT.",
    ),
    Row(
        codes=(*REFUSED, "invalid_request"),
        says=("client_id parameter does not match sub claim", "Issuer mismatch. The issuer should match the subject"),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="The assertion speaks for another client than the request.",
        fix="Take client_id out of tokens.<name>.parameters and iss or sub out of the file"
        " clients.<name>.assertion.claims_file, or correct clients.<name>.client_id.",
    ),
    Row(
        codes=(*REFUSED, "invalid_request"),
        says=("Parameter client_assertion_type is missing", "client_assertion parameter missing"),
        reason="assertion_refused",
        act=Act.OPERATOR,
        cause="The assertion did not reach Keycloak, although the broker always sends one.",
        fix="Look for a proxy that cuts or rewrites request bodies on the way to Keycloak; if there is none, report"
        " this as a defect of token-broker.",
    ),
    Row(
        codes=REFUSED,
        says=("Invalid client or Invalid client credentials",),
        reason="client_refused",
        act=Act.OPERATOR,
        cause="Keycloak does not know the client, or the client is disabled or registered for another way of proving"
        " itself.",
        fix=f"Compare clients.<name>.client_id with Keycloak's console, and see that the client is enabled and that"
        f" Client Authenticator under {CREDENTIALS} is Signed JWT.",
    ),
    Row(
        codes=REFUSED,
        says=("Client not enabled to retrieve service account",),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="The client has no service account, so it gets no token for itself.",
        fix="Switch Service account roles on under Keycloak's console > Clients > the client > Settings > Capability"
        " config.",
    ),
    Row(
        codes=DPOP,
        says=("DPoP proof is missing",),
        reason="dpop_required",
        act=Act.OPERATOR,
        cause="The client requires DPoP bound tokens, and the broker asked for a Bearer token.",
        fix="Set clients.<name>.dpop, or switch Require DPoP bound tokens off under Keycloak's console > Clients > the"
        " client > Settings > Capability config.",
    ),
    Row(
        codes=DPOP,
        says=("DPoP proof has already been used",),
        reason="dpop_refused",
        act=Act.REBUILD,
        cause="Keycloak received the same DPoP proof twice.",
        fix="Nothing, if it does not come back: the next attempt follows at once; otherwise turn off the retries of the"
        " proxy or service mesh between the broker and Keycloak.",
    ),
    Row(
        codes=DPOP,
        says=("DPoP proof is not active",),
        reason="clock",
        act=Act.CLOCK,
        cause="The DPoP proof's iat is more than 15 s ahead of Keycloak's clock or more than 25 s behind: this"
        " machine's clock is off.",
        fix="Synchronise the clocks of this node and of Keycloak's (NTP, chrony).",
    ),
    Row(
        codes=DPOP,
        says=("DPoP HTTP URL mismatch",),
        reason="dpop_refused",
        act=Act.OPERATOR,
        cause="Keycloak saw another URL than the one that the broker asked: a reverse proxy before it changes scheme,"
        " host, port or path, and Keycloak has not been told.",
        fix="Set Keycloak's hostname and proxy-headers options to what its reverse proxy does, or write"
        " clients.<name>.issuer as it is reached.",
    ),
    Row(
        codes=DPOP,
        says=("DPoP", "Private key material must not be present", "No JWK in"),
        reason="dpop_refused",
        act=Act.OPERATOR,
        cause="Keycloak could not use the DPoP proof that the broker sent.",
        fix="Look for a proxy that cuts, repeats or rewrites the header DPoP; set algorithm in clients.<name>.dpop to"
        " one of the dpop_signing_alg_values_supported in the realm's metadata.",
    ),
)
