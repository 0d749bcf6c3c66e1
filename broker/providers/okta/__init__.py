"""Preset, rate limits and refusals of Okta; the refusals are in modules by subject."""

from broker.providers.okta import client, dpop, keys, request
from broker.providers.okta.preset import PRESET
from broker.providers.okta.request import FAULT, LIMITS, REDUCED, UNAVAILABLE

__all__ = ["FAULT", "LIMITS", "PRESET", "REDUCED", "ROWS", "UNAVAILABLE"]

ROWS = (*keys.ROWS, *client.ROWS, *request.ROWS, *dpop.ROWS)
