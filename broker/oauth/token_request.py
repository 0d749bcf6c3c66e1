"""The flow of one token request."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from broker.core.diagnosis import Act, Diagnosis
from broker.core.errors import CoolingError, RefusalError, ReplyError
from broker.core.events import ClockMeasured, KeyAccepted, KeyFellBack, Observer
from broker.core.settings import ClientSettings, Dpop, TokenSettings
from broker.core.signer import KeyRing, Signer
from broker.core.tokens import Token
from broker.http_client.transport import Reply, Transport
from broker.oauth.assertion import make_assertion
from broker.oauth.attempt import Asked, Tried
from broker.oauth.discovery import Discovery
from broker.oauth.form import Form, assertion_field, form_of, parties
from broker.oauth.key_selection import KeyOrder, read_assertion
from broker.oauth.reply import parse_reply
from broker.oauth.server_clock import NOISE, ServerClock, ahead_of
from broker.providers.diagnose import diagnose, is_bare
from broker.refresh.schedule import LIMIT_MARGIN, MAX_LIMIT

if TYPE_CHECKING:
    from broker.oauth.dpop_binding import Binding

#: `iat` is this many seconds in the past: servers refuse one that is in their future, by however little.
BACK_DATED = 5.0


class Grant:
    """The grants of one client: client credentials (RFC 6749 section 4.4) authenticated by an assertion, JWT bearer.

    `gate` bounds how many requests are under way to one server. What lasts between requests is here: which key the
    server takes, its clock, its nonces, and until when it wants this client to stay away.
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
        self.order = KeyOrder(keys, now)
        self.discovery = discovery
        self.transport = transport
        self.gate = gate
        self.now = now
        self.wall = wall
        self.observe = observe
        self.clock = ServerClock(client.max_clock_offset)
        self.binding = _binding(client.dpop, now) if client.dpop else None
        self.cool_until = 0.0
        self._in_use: Signer | None = None

    def token_endpoint(self) -> str | None:
        """Where it asks, as far as that is known."""
        return self.discovery.known

    def server_time(self) -> float:
        """What to date assertions and proofs with, in epoch seconds: by the server's clock, a little in the past."""
        return self.wall() + self._correction() - BACK_DATED

    async def fetch(self, token: TokenSettings) -> Token:
        """A new token. Raises BrokerError.

        A refusal that another request may mend at once is followed by one, each remedy once: a new assertion (spent
        `jti`; times, once the server's clock is known), the nonce that the server wants, the next of the keys.
        """
        try:
            return await self._fetch(token)
        except CoolingError:
            raise  # what we told ourselves makes it no longer
        except RefusalError as refusal:
            diagnosis = self._diagnose(refusal)
            if diagnosis.act is Act.LIMIT:
                asked = min((diagnosis.wait or 0.0) + LIMIT_MARGIN, MAX_LIMIT)
                self.cool_until = max(self.cool_until, self.now() + asked)
            if refusal.status in {404, 405}:
                self.discovery.doubt()
            raise

    async def _fetch(self, token: TokenSettings) -> Token:
        self._stay_away()
        endpoint = await self.discovery.token_endpoint()
        form = await form_of(self.client, token)
        tried = Tried()
        while True:
            asked = await self._ask(endpoint, token, form, tried)
            try:
                granted = self._judge(token, asked)
            except RefusalError as refusal:
                refusal.secrets = form.secrets
                if not await self._mended(refusal, asked, tried):
                    final = self._to_tell(refusal, tried)
                    offset = self.clock.offset(now=self.now(), wall=self.wall())
                    final.clock_offset = offset if offset and abs(offset) >= NOISE else None
                    final.clock_corrected = asked.correction != 0.0
                    raise final from None
            else:
                self._accepted(asked.signer, tried)
                return granted

    async def _ask(self, endpoint: str, token: TokenSettings, form: Form, tried: Tried) -> Asked:
        """One POST, with an assertion and a proof made right before it."""
        async with self.gate:
            self._stay_away()
            correction = self._correction()
            signer = None if self.client.assertion_file else self.order.next(tried.keys) or self.order.preferred()
            if signer:
                assertion = await self._sign(signer, endpoint, token, form.claims)
            else:
                assertion = await read_assertion(self.client.assertion_file or "")
            headers, proof_key, nonce = {}, None, self._nonce(endpoint)
            if self.binding:
                proof_key = await self.binding.key()
                proof = await self.binding.proof(proof_key, endpoint, nonce=nonce, issued_at=self.server_time())
                headers["DPoP"] = proof
            reply = await self.transport.post(endpoint, [*form.fields, (assertion_field(token), assertion)], headers)
            if self.binding:
                self.binding.learn(endpoint, reply)
        self._look_at_clock(reply)
        return Asked(
            reply=reply,
            assertion=assertion,
            signer=signer,
            proof_key=proof_key,
            correction=correction,
            nonce=nonce,
            next_nonce=self._nonce(endpoint),
        )

    async def _sign(self, signer: Signer, endpoint: str, token: TokenSettings, claims: Mapping[str, object]) -> str:
        issuer, subject = parties(self.client, token)
        return await signer.sign(
            make_assertion,
            issuer=issuer,
            subject=subject,
            audience=self._audience(endpoint),
            algorithm=signer.algorithm,
            kid=signer.kid,
            x5t=signer.x5t,
            typ=self.client.assertion.typ,
            lifetime=self.client.assertion.lifetime,
            issued_at=self.server_time(),
            claims=claims,
        )

    def _nonce(self, endpoint: str) -> str | None:
        return self.binding.nonces.get(endpoint) if self.binding else None

    def _stay_away(self) -> None:
        """A server that limits this client limits all its tokens: nothing is sent before it wants to see us again."""
        if (cool := self.cool_until - self.now()) > 0:
            raise CoolingError(max(0.0, cool - LIMIT_MARGIN))

    def _audience(self, endpoint: str) -> str:
        match self.client.assertion.audience:
            case "token_endpoint":
                return endpoint
            case "issuer":
                return self.client.issuer or ""
            case literal:
                return literal

    def _judge(self, token: TokenSettings, asked: Asked) -> Token:
        granted = parse_reply(
            asked.reply,
            scope=" ".join(token.scopes),
            assume_lifetime=token.assume_lifetime,
            proof_key=asked.proof_key,
            extra_fields=token.extra_fields,
        )
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

    async def _mended(self, refusal: RefusalError, asked: Asked, tried: Tried) -> bool:
        """Whether another request at once may well be granted."""
        diagnosis = self._diagnose(refusal)
        if refusal.error == "use_dpop_nonce":
            return asked.next_nonce != asked.nonce and tried.once("nonce")
        if asked.signer is None:
            again = diagnosis.act in {Act.CLOCK, Act.REBUILD, Act.KEY} and tried.once("file")
            return again and await read_assertion(self.client.assertion_file or "") != asked.assertion
        may_be_the_clock = diagnosis.act is Act.CLOCK or is_bare(diagnosis, refusal.error)
        if may_be_the_clock and self._corrects_more(asked) and tried.once(Act.CLOCK):
            return True
        if diagnosis.act is Act.REBUILD:
            return tried.once(Act.REBUILD)
        # A refusal that does not say why may well be about the key, as long as nobody has accepted it yet, or while a
        # key that is to be withdrawn stands in for the one that should have replaced it.
        doubtful = not self.order.is_proven(asked.signer) or self.order.is_stand_in(asked.signer)
        if diagnosis.act is Act.KEY or (diagnosis.reason == "client_refused" and doubtful):
            tried.keys[asked.signer] = refusal
            return self.order.next(tried.keys) is not None
        return False

    def _corrects_more(self, asked: Asked) -> bool:
        """Whether the server's clock, as its last answer shows it, gives other times than the refused ones."""
        self.clock.refused()
        return abs(self._correction() - asked.correction) >= NOISE

    def _to_tell(self, refusal: RefusalError, tried: Tried) -> RefusalError:
        """Of several refused keys, what was said of the one that ought to be used; else the last word."""
        return tried.keys.get(self.order.preferred(), refusal) if refusal in tried.keys.values() else refusal

    def _diagnose(self, refusal: RefusalError) -> Diagnosis:
        return diagnose(refusal, provider=self.client.provider)

    def _accepted(self, signer: Signer | None, tried: Tried) -> None:
        if signer is None:
            return
        self.order.refused(tried.keys)
        preferred = self.order.preferred()
        if signer is preferred and signer is not self._in_use:
            self.observe(KeyAccepted(client=self.name, kid=signer.kid))
        elif refusal := tried.keys.get(preferred):
            reason = self._diagnose(refusal).reason
            self.observe(KeyFellBack(client=self.name, kid=signer.kid, refused=preferred.kid, reason=reason))
        self._in_use = signer
        self.order.accepted(signer)


def _binding(dpop: Dpop, now: Callable[[], float]) -> "Binding":
    from broker.oauth.dpop_binding import Binding  # noqa: PLC0415 - most brokers bind no token and need not carry it

    return Binding(dpop, now)
