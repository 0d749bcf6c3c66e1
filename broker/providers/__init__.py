"""What each identity provider wants of an assertion and of a token request: a table.

A preset is a partial client and a partial token in the configuration file's own words, laid under what the user wrote,
and the rules that the provider enforces, so that a request it is known to refuse is a configuration error with the
provider's reason. Only what a vendor's document or source says is a rule; where these are silent the user is free.
"""

from collections.abc import Mapping

from broker.providers.client_credentials import CLIENT_CREDENTIALS
from broker.providers.jwt_bearer import JWT_BEARER
from broker.providers.preset import Key, Preset, Rule

__all__ = ["PRESETS", "Key", "Preset", "Rule"]

PRESETS: Mapping[str, Preset] = {**CLIENT_CREDENTIALS, **JWT_BEARER}
