"""The embedded authorization server: a fake as strict as Okta's Org authorization server.

Checks, in this order: the form (`received`), the authentication method, the assertion's signature with the client's
registered keys (`keysets`), its `jti`, its claims, a DPoP proof (`proofs`), the scopes (`verify`). Rejects with Okta's
own statuses and error texts (`texts`). Issues JWT access tokens (`access`) that an example API accepts (`users`).
Injects faults on request (`faults`) and records token requests (`journal`); both are reachable over HTTP under `/dev`
(`controls`). `server` routes requests and listens.

Shares no code with the broker that it tests: no other part of `broker` may be imported here.
"""

from broker.devserver.faults import Fault, Faults
from broker.devserver.journal import Journal, Seen
from broker.devserver.keysets import read_file
from broker.devserver.registry import ANYONE, Client
from broker.devserver.server import DevServer

__all__ = ["ANYONE", "Client", "DevServer", "Fault", "Faults", "Journal", "Seen", "read_file"]
