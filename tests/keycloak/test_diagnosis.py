"""What the broker makes of Keycloak's words, without a Keycloak."""

import pytest

from broker.core.errors import RefusalError
from broker.providers.diagnose import diagnose
from keycloak.refusals import REFUSALS, Refusal


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_the_broker_knows_what_keycloak_means(refusal: Refusal) -> None:
    diagnosis = diagnose(RefusalError(refusal.status, refusal.error, refusal.says))
    assert (diagnosis.reason, diagnosis.act) == (refusal.reason, refusal.act)
