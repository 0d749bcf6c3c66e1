"""Configurations that are right, to be spoilt by tests line by line."""

from collections.abc import Callable
from typing import TypeAlias

from broker.core.settings import Settings

#: The fixtures of tests/config: a text, and variables, to settings; or to what is said about it.
Load: TypeAlias = Callable[..., Settings]
Complaints: TypeAlias = Callable[..., list[str]]

OKTA = """\
api:
  listen: [localhost:7180]
clients:
  okta:
    provider: okta
    issuer: https://acme.okta.com
    client_id: 0oa1b2c3d4
    private_key: {file: key.jwk}
    assertion: {lifetime: 60s}
    http: {timeout: 10s}
tokens:
  users-api:
    scopes: [okta.users.read]
    refresh: {ahead: auto}
"""

GENERIC = """\
clients:
  one:
    token_endpoint: https://idp.example.com/token
    client_id: reports
    private_key: {file: key.pem}
    assertion: {audience: token_endpoint}
tokens:
  reports:
    scopes: [read]
"""


def spoilt(text: str, old: str, new: str) -> str:
    """`text` with its one `old` replaced."""
    assert text.count(old) == 1, old
    return text.replace(old, new)
