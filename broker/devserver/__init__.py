"""The embedded authorization server: a fake with opinions, strict in the manner of Okta's Org authorization server.

What it checks, in this order: the form (`asked`), the way of authentication, the assertion's signature by the client's
registered keys (`keysets`), its `jti`, its claims, a DPoP proof (`proofs`), the scopes (`verify`). What it says when it
refuses are Okta's own statuses and sentences (`texts`). What it grants is a JWT that people may look into (`access`)
and try at an API (`users`). It can be told to fail, stall, lie and limit (`faults`), and remembers what it was asked
(`journal`); people reach both by HTTP under `/dev` (`people`). `server` puts it on a socket.

It shares no line with what it judges: nothing of `broker` may be imported here.
"""

from broker.devserver.faults import Fault, Faults
from broker.devserver.journal import Journal, Seen
from broker.devserver.keysets import read_file
from broker.devserver.registry import ANYONE, Client
from broker.devserver.server import DevServer

__all__ = ["ANYONE", "Client", "DevServer", "Fault", "Faults", "Journal", "Seen", "read_file"]
