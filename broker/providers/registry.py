"""All providers: their presets by name, and their refusals in the order in which they are tried."""

from collections.abc import Mapping
from typing import Final

from broker.providers import (
    auth0,
    docusign,
    duende,
    entra,
    general,
    google,
    hydra,
    ibm_verify,
    id_porten,
    keycloak,
    maskinporten,
    nhs,
    okta,
    openiddict,
    pingone,
    salesforce,
    smart,
    zitadel,
)
from broker.providers.preset import Preset

#: By the `provider` of the configuration, in the order of the documentation.
PRESETS: Final[Mapping[str, Preset]] = {
    "generic": general.PRESET,
    "okta": okta.PRESET,
    "entra": entra.PRESET,
    "keycloak": keycloak.PRESET,
    "auth0": auth0.PRESET,
    "smart": smart.PRESET,
    "pingone": pingone.PRESET,
    "ory-hydra": hydra.PRESET,
    "duende": duende.PRESET,
    "openiddict": openiddict.PRESET,
    "ibm-verify": ibm_verify.PRESET,
    "nhs": nhs.PRESET,
    "google": google.PRESET,
    "salesforce": salesforce.PRESET,
    "maskinporten": maskinporten.PRESET,
    "id-porten": id_porten.PRESET,
    "docusign": docusign.PRESET,
    "zitadel": zitadel.PRESET,
}

#: The first row that fits a refusal is its diagnosis: 429 is a limit whatever the text; a known sentence is more
#: precise than a 5xx, a 5xx more than a code, a code more than another status.
REFUSALS: Final = (
    *okta.LIMITS,
    *auth0.LIMITS,
    general.TOO_MANY,
    *okta.ROWS,
    *entra.ROWS,
    *keycloak.ROWS,
    *auth0.ROWS,
    *hydra.ROWS,
    *maskinporten.ROWS,
    *nhs.ROWS,
    *google.ROWS,
    *salesforce.ROWS,
    *docusign.ROWS,
    *salesforce.GENERAL,
    *general.SENTENCES,
    okta.FAULT,
    general.SERVER_FAULT,
    okta.UNAVAILABLE,
    *smart.ROWS,
    *general.CODES,
    *general.STATUSES,
    general.NO_ERROR,
    general.UNKNOWN,
)
