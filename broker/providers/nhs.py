"""Preset and refusals of NHS England's API platform, which answers `invalid_request` and 400 to every fault."""

from broker.core.diagnosis import Act
from broker.providers.preset import Preset, Rule
from broker.providers.rows import Row

# digital.nhs.uk: signed JWT authentication; NHSDigital's identity service and its tests, for what is refused.
PRESET = Preset(
    title="NHS England",
    client={"algorithms": ["RS512"], "assertion": {"audience": "token_endpoint"}},
    max_lifetime=300.0,
    rules=(
        Rule(
            key="assertion.audience",
            pattern=r"(?!issuer$).*",
            reason="NHS England expects the URL of the token endpoint; leave it out",
        ),
        Rule(
            key="assertion.typ",
            pattern=r"JWT",
            reason="NHS England refuses any typ but JWT; leave it out",
        ),
    ),
)

PUBLISHED = "the key set behind the URL in the NHS developer portal (the application > Manage public key)"

ROWS = (
    Row(
        says=("Invalid 'alg' header in JWT",),
        reason="algorithm_refused",
        act=Act.OPERATOR,
        cause="NHS England takes RS512 and nothing else.",
        fix="Make an RSA key (`token-broker keygen --algorithm RS512`), publish its public half, and leave out"
        " clients.<name>.algorithms.",
    ),
    Row(
        says=("Missing 'kid' header in JWT",),
        reason="kid_refused",
        act=Act.KEY,
        cause="NHS England wants a kid in the assertion, and the key has none.",
        fix=f"Write the kid that the key has in {PUBLISHED} as kid in clients.<name>.private_keys.",
    ),
    Row(
        says=("Invalid 'kid' header in JWT",),
        reason="kid_refused",
        act=Act.KEY,
        cause="NHS England finds no key with the assertion's kid in the application's key set.",
        fix=f"See that {PUBLISHED} holds what `token-broker jwks --client NAME` prints.",
    ),
    Row(
        says=("Invalid iss/sub claims in JWT",),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="NHS England knows no application with this client id in the environment that was asked.",
        fix="Write the application's API key as clients.<name>.client_id, and see that clients.<name>.token_endpoint is"
        " of the environment (int, dev, production) where the application is.",
    ),
    Row(
        says=("Invalid exp claim in JWT", "JWT has expired"),
        reason="clock",
        act=Act.CLOCK,
        cause="The assertion ends too late or too early by the clock of NHS England: this machine's clock is off.",
        fix="Synchronise the node's clock (NTP, chrony), and leave clients.<name>.assertion.lifetime at 60s.",
    ),
)
