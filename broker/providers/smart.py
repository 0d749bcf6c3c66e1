"""What Epic says, which is `invalid_client` with an empty description, whatever is wrong (fhir.epic.com)."""

from broker.core.diagnosis import Act
from broker.providers.rows import Row

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
