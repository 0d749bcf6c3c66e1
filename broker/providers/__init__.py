"""Identity providers, one module each: its preset and its refusals; `registry` assembles them.

A preset is a partial client and a partial token in the configuration file's own words, laid under what the user wrote,
and the rules that the provider enforces, so that a request it is known to refuse is a configuration error with the
provider's reason. Only what a vendor's document or source states is a rule; everything else is left to the user.
"""

from broker.providers.preset import Key, Preset, Rule
from broker.providers.registry import PRESETS

__all__ = ["PRESETS", "Key", "Preset", "Rule"]
