"""What Okta's token endpoint says about proofs of possession (RFC 9449)."""

from broker.core.diagnosis import Act
from broker.providers.rows import Row

DPOP = (
    "Set clients.<name>.dpop to true, or clear Applications > Applications > the app > General > General Settings >"
    " Require Demonstrating Proof of Possession (DPoP) header in token requests in the Okta Admin Console."
)
DPOP_STEPS = (
    "If the workload can send a proof with each request: set clients.<name>.dpop to true.",
    "Else, in the Okta Admin Console, open Applications > Applications > the app > General.",
    (
        "Under General Settings choose Edit, clear Require Demonstrating Proof of Possession (DPoP) header in token"
        " requests, and save."
    ),
)

ROWS = (
    Row(
        codes=("invalid_dpop_proof",),
        says=("The DPoP proof JWT header is missing.",),
        reason="dpop_required",
        act=Act.OPERATOR,
        cause="The application requires DPoP, as new Okta API Services apps do, and the broker asked for a Bearer"
        " token.",
        fix=DPOP,
        steps=DPOP_STEPS,
    ),
    Row(
        codes=("use_dpop_nonce",),
        says=("Authorization server requires nonce in DPoP proof.",),
        reason="dpop_required",
        act=Act.REBUILD,
        cause="Okta wants its newest nonce in the DPoP proof.",
        fix="Nothing, if it does not come back: the next attempt follows at once; otherwise look for a proxy that drops"
        " the header DPoP-Nonce from Okta's answers.",
    ),
    Row(
        codes=("invalid_dpop_proof",),
        says=("The DPoP proof JWT has already been used.",),
        reason="dpop_refused",
        act=Act.REBUILD,
        cause="Okta received the same DPoP proof twice.",
        fix="Nothing, if it does not come back: the next attempt follows at once; otherwise turn off the retries of the"
        " proxy or service mesh between the broker and Okta.",
    ),
    Row(
        codes=("invalid_dpop_proof",),
        says=(
            "The DPoP proof JWT is issued in the future.",
            "The DPoP proof JWT is issued more than five minutes in the past.",
            "The DPoP proof JWT is expired.",
            "'iat' claim in the DPoP proof JWT is invalid.",
        ),
        reason="clock",
        act=Act.CLOCK,
        cause="The DPoP proof's iat is too far from Okta's clock: this machine's clock is off.",
        fix="Synchronise the node's clock (NTP, chrony).",
    ),
    Row(
        codes=("invalid_dpop_proof",),
        says=(
            "'htu' claim in the DPoP proof JWT is invalid.",
            "'htm' claim in the DPoP proof JWT is invalid.",
            "'jti' claim in the DPoP proof JWT is invalid.",
            "'typ' must be 'dpop+jwt' in the DPoP proof JWT.",
            "The DPoP proof JWT signature is invalid.",
            "The DPoP proof JWT signature algorithm is invalid.",
            "The DPoP proof JWT cannot be parsed.",
            "Multiple DPoP proof JWT headers are not allowed.",
        ),
        reason="dpop_refused",
        act=Act.OPERATOR,
        cause="The DPoP proof did not arrive as Okta expects it.",
        fix="Check that clients.<name>.issuer has the host that Okta answers on, and look for a proxy that adds or"
        " rewrites headers.",
    ),
)
