"""Preset of SMART backend services, and Epic's refusal: always `invalid_client` without a description."""

from broker.core.diagnosis import Act
from broker.providers.preset import Preset, Rule
from broker.providers.rows import Row

# SMART App Launch 2.2 (backend services); fhir.epic.com documents the same.
PRESET = Preset(
    title="SMART",
    client={"algorithms": ["RS384", "ES384"], "assertion": {"audience": "token_endpoint"}},
    max_lifetime=300.0,
    rules=(
        Rule(
            key="assertion.audience",
            pattern=r"(?!issuer$).*",
            reason="SMART backend services expect the URL of the token endpoint; leave it out",
        ),
        Rule(
            key="assertion.typ",
            pattern=r"JWT",
            reason="SMART backend services require JWT; leave it out",
        ),
        Rule(
            key="grant",
            pattern=r"client_credentials",
            reason="SMART backend services know client_credentials only; leave it out",
        ),
        Rule(
            key="scopes",
            pattern=r".+",
            reason="SMART backend services grant named scopes only; write for example [system/Patient.rs]",
        ),
    ),
)

ROWS = (
    Row(
        codes=("invalid_client",),
        providers=("smart",),
        reason="client_refused",
        act=Act.OPERATOR,
        cause="The server refused the client without saying why, as Epic does: client id, key, kid, algorithm, lifetime"
        " or clock, or a registration that has not reached the server yet.",
        fix="Compare clients.<name>.client_id (non-production or production), the key that `token-broker jwks --client"
        " NAME` prints and its algorithm with the registration; after a change there wait, at times for a day.",
        steps=(
            "After a change to the app or its keys wait until it has reached the server, which at times takes a day.",
            (
                "See that clients.<name>.client_id is the non-production one for a sandbox, the production one for"
                " production."
            ),
            (
                "See that the app is of the type Backend Systems, and that its public key is what"
                " `token-broker jwks --client NAME` prints, under the same kid."
            ),
            "Sign with RS384 or ES384 (algorithm in clients.<name>.private_keys), whatever the app is registered with.",
            "Leave clients.<name>.assertion.lifetime at 60s; 5m is the most.",
        ),
    ),
)
