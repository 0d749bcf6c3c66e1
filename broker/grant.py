"""One token request, whole: where to ask, who we are, a fresh assertion, the POST, the judgement."""

import asyncio
from collections.abc import Callable

from broker.assertion import make_assertion
from broker.diagnosis import Act, diagnose
from broker.discovery import Discovery
from broker.errors import RefusalError, SecretFileError
from broker.events import ClockMeasured, Observer
from broker.schedule import LIMIT_MARGIN, MAX_LIMIT
from broker.secret_files import read_members
from broker.server_clock import ServerClock, ahead_of
from broker.settings import ClientSettings, TokenSettings
from broker.signer import KeyRing, Signer
from broker.token_endpoint import parse_reply
from broker.tokens import Token
from broker.transport import Reply, Transport

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: `iat` is this many seconds in the past: servers refuse one that is in their future, by however little.
BACK_DATED = 5.0


class Grant:
    """The client credentials grant (RFC 6749 section 4.4) of one client, authenticated by RFC 7523 section 2.2.

    `gate` bounds how many requests are under way to one server. Everything that lasts between requests is here: the
    server's clock, and until when it wants this client to stay away.
    """

    def __init__(
        self,
        name: str,
        client: ClientSettings,
        *,
        keys: KeyRing,
        discovery: Discovery,
        transport: Transport,
        gate: asyncio.Semaphore,
        now: Callable[[], float],
        wall: Callable[[], float],
        observe: Observer,
    ) -> None:
        self.name = name
        self.client = client
        self.keys = keys
        self.discovery = discovery
        self.transport = transport
        self.gate = gate
        self.now = now
        self.wall = wall
        self.observe = observe
        self.clock = ServerClock(client.max_clock_offset)
        self.cool_until = 0.0

    async def fetch(self, token: TokenSettings) -> Token:
        """A new token. Raises BrokerError.

        A refusal that a new assertion alone mends (spent `jti`; times, once the server's clock is known) is followed by
        one more attempt at once.
        """
        try:
            return await self._attempt(token)
        except RefusalError as refusal:
            if not self._mended(refusal):
                raise
        return await self._attempt(token)

    async def _attempt(self, token: TokenSettings) -> Token:
        async with self.gate:
            if (cool := self.cool_until - self.now()) > 0:
                raise RefusalError(429, "", "", retry_after=cool)
            endpoint = await self.discovery.token_endpoint()
            signer = self.keys.signers()[0]
            form = await self._form(token, endpoint, signer)
            reply = await self.transport.post(endpoint, form)
        self._look_at_clock(reply)
        try:
            return parse_reply(reply, scope=" ".join(token.scopes), assume_lifetime=token.assume_lifetime)
        except RefusalError as refusal:
            if refusal.status == 429:
                asked = min((refusal.retry_after or 0.0) + LIMIT_MARGIN, MAX_LIMIT)
                self.cool_until = max(self.cool_until, reply.received_at + asked)
            if refusal.status in {404, 405}:
                self.discovery.doubt()
            raise

    async def _form(self, token: TokenSettings, endpoint: str, signer: Signer) -> list[tuple[str, str]]:
        fields: dict[str, object] = {**token.parameters}
        if token.parameters_file:
            fields |= _parameters(token.parameters_file, token.our_fields)
        fields["grant_type"] = token.grant
        if token.scopes:
            fields["scope"] = " ".join(token.scopes)
        if token.audience is not None:
            fields["audience"] = token.audience
        if self.client.send_client_id:
            fields["client_id"] = self.client.client_id
        fields["client_assertion_type"] = ASSERTION_TYPE
        fields["client_assertion"] = await self._assertion(endpoint, signer)
        # A list, since `resource` may be repeated (RFC 8707 section 2).
        return [(name, str(value)) for name, value in fields.items()] + [("resource", uri) for uri in token.resource]

    async def _assertion(self, endpoint: str, signer: Signer) -> str:
        assertion = self.client.assertion
        audience = {"token_endpoint": endpoint, "issuer": self.client.issuer or ""}.get(
            assertion.audience, assertion.audience
        )
        claims = dict(assertion.claims)
        if assertion.claims_file:
            claims |= read_members(assertion.claims_file)
        wall = self.wall()
        return await signer.sign(
            make_assertion,
            client_id=self.client.client_id,
            audience=audience,
            algorithm=signer.algorithm,
            kid=signer.kid,
            typ=assertion.typ,
            lifetime=assertion.lifetime,
            issued_at=wall + self.clock.correction(now=self.now(), wall=wall) - BACK_DATED,
            claims=claims,
        )

    def _look_at_clock(self, reply: Reply) -> None:
        if not reply.authentic:
            return
        ahead = ahead_of(reply.headers, sent_at=reply.sent_at, received_at=reply.received_at)
        if ahead is None:
            return
        self.clock.measured(ahead)
        now, wall = self.now(), self.wall()
        offset = self.clock.offset(now=now, wall=wall)
        if offset is not None:
            used = self.clock.correction(now=now, wall=wall) != 0.0
            self.observe(ClockMeasured(client=self.name, offset=offset, used=used))

    def _mended(self, refusal: RefusalError) -> bool:
        """Whether the same request with a new assertion may well be granted."""
        act = diagnose(refusal).act
        if act is Act.CLOCK:
            now, wall = self.now(), self.wall()
            before = self.clock.correction(now=now, wall=wall)
            self.clock.refused()
            return self.clock.correction(now=now, wall=wall) != before
        return act is Act.REBUILD


def _parameters(file: str, ours: frozenset[str]) -> dict[str, object]:
    parameters = read_members(file)
    if taken := sorted(ours & parameters.keys()):
        raise SecretFileError(f"{file} may not hold {', '.join(taken)}: that is for the broker to say")
    return parameters
