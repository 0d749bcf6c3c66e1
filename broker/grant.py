"""One token request, whole: where to ask, who we are, a fresh assertion, the POST, the judgement."""

import asyncio
from collections.abc import Callable, Mapping

from broker.assertion import make_assertion
from broker.diagnosis import Act, diagnose
from broker.discovery import Discovery
from broker.errors import RefusalError, ReplyError, SecretFileError
from broker.events import ClockMeasured, Observer
from broker.schedule import LIMIT_MARGIN, MAX_LIMIT
from broker.secret_files import read_members
from broker.server_clock import NOISE, ServerClock, ahead_of
from broker.settings import ClientSettings, TokenSettings
from broker.signer import KeyRing
from broker.token_endpoint import parse_reply
from broker.tokens import Token
from broker.transport import Reply, Transport

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: `iat` is this many seconds in the past: servers refuse one that is in their future, by however little.
BACK_DATED = 5.0


class Grant:
    """The client credentials grant (RFC 6749 section 4.4) of one client, authenticated by RFC 7523 section 2.2.

    `gate` bounds how many requests are under way to one server. What lasts between requests is here: the server's
    clock, and until when it wants this client to stay away.
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

    def token_endpoint(self) -> str | None:
        """Where it asks, as far as that is known."""
        return self.discovery.known

    async def fetch(self, token: TokenSettings) -> Token:
        """A new token. Raises BrokerError.

        A refusal that a new assertion alone mends (spent `jti`; times, once the server's clock is known) is followed by
        one more attempt at once.
        """
        try:
            return await self._fetch(token)
        except RefusalError as refusal:
            diagnosis = diagnose(refusal)
            if diagnosis.act is Act.LIMIT:
                asked = min((diagnosis.wait or 0.0) + LIMIT_MARGIN, MAX_LIMIT)
                self.cool_until = max(self.cool_until, self.now() + asked)
            if refusal.status in {404, 405}:
                self.discovery.doubt()
            raise

    async def _fetch(self, token: TokenSettings) -> Token:
        self._stay_away()
        endpoint = await self.discovery.token_endpoint()
        form = await self._form(token)
        claims = await self._claims()
        reply, correction = await self._ask(endpoint, form, claims)
        try:
            return self._judge(token, reply)
        except RefusalError as refusal:
            if not self._mended(refusal, correction):
                raise
        reply, _ = await self._ask(endpoint, form, claims)
        return self._judge(token, reply)

    async def _ask(
        self, endpoint: str, form: list[tuple[str, str]], claims: Mapping[str, object]
    ) -> tuple[Reply, float]:
        """One POST, with an assertion made right before it; also by how much that one's times were corrected."""
        async with self.gate:
            self._stay_away()
            signer = self.keys.signers()[0]
            correction = self._correction()
            assertion = await signer.sign(
                make_assertion,
                client_id=self.client.client_id,
                audience=self._audience(endpoint),
                algorithm=signer.algorithm,
                kid=signer.kid,
                typ=self.client.assertion.typ,
                lifetime=self.client.assertion.lifetime,
                issued_at=self.wall() + correction - BACK_DATED,
                claims=claims,
            )
            reply = await self.transport.post(endpoint, [*form, ("client_assertion", assertion)])
        self._look_at_clock(reply)
        return reply, correction

    def _stay_away(self) -> None:
        """A server that limits this client limits all its tokens: nothing is sent before it wants to see us again."""
        if (cool := self.cool_until - self.now()) > 0:
            raise RefusalError(429, "", "", retry_after=max(0.0, cool - LIMIT_MARGIN))

    async def _form(self, token: TokenSettings) -> list[tuple[str, str]]:
        fields = dict(token.parameters)
        if token.parameters_file:
            fields |= await _parameters(token.parameters_file, token.our_fields)
        fields["grant_type"] = token.grant
        if token.scopes:
            fields["scope"] = " ".join(token.scopes)
        if token.audience is not None:
            fields["audience"] = token.audience
        if self.client.send_client_id:
            fields["client_id"] = self.client.client_id
        fields["client_assertion_type"] = ASSERTION_TYPE
        # A list, since `resource` may be repeated (RFC 8707 section 2).
        return [*fields.items(), *(("resource", uri) for uri in token.resource)]

    def _audience(self, endpoint: str) -> str:
        match self.client.assertion.audience:
            case "token_endpoint":
                return endpoint
            case "issuer":
                return self.client.issuer or ""
            case literal:
                return literal

    async def _claims(self) -> Mapping[str, object]:
        assertion = self.client.assertion
        return assertion.claims | (await read_members(assertion.claims_file) if assertion.claims_file else {})

    def _judge(self, token: TokenSettings, reply: Reply) -> Token:
        granted = parse_reply(reply, scope=" ".join(token.scopes), assume_lifetime=token.assume_lifetime)
        if granted.usable_until <= self.now():
            raise ReplyError("late", f"the token's lifetime of {granted.lifetime:g} s had passed when its answer came")
        return granted

    def _look_at_clock(self, reply: Reply) -> None:
        ahead = ahead_of(reply.headers, sent_at=reply.sent_at, received_at=reply.received_at)
        if ahead is None or not reply.authentic:
            return
        self.clock.measured(ahead)
        offset = ahead + self.now() - self.wall()
        self.observe(ClockMeasured(client=self.name, offset=offset, used=self._correction() != 0.0))

    def _correction(self) -> float:
        return self.clock.correction(now=self.now(), wall=self.wall())

    def _mended(self, refusal: RefusalError, correction: float) -> bool:
        """Whether the same request with a new assertion may well be granted; `correction` is the refused one's."""
        act = diagnose(refusal).act
        if act is Act.CLOCK:
            self.clock.refused()
            return abs(self._correction() - correction) >= NOISE
        return act is Act.REBUILD


async def _parameters(file: str, ours: frozenset[str]) -> dict[str, str]:
    parameters = await read_members(file)
    if taken := sorted(ours & parameters.keys()):
        raise SecretFileError(f"{file} may not hold {', '.join(taken)}: that is for the broker to say")
    texts = {name: value for name, value in parameters.items() if isinstance(value, str)}
    if texts.keys() != parameters.keys():
        raise SecretFileError(f"{file} must hold texts only, in quotes")
    return texts
