"""Answered from memory or in full: nobody can tell, and nothing gets through that the guard would refuse."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.events import HandedOut, Served
from broker.keys.generate import proof_signer
from broker.settings import CallerSettings
from desk import MARK, Desk, open_desk
from raw_http import Answer, Wire, get, wire

PROOF_KEY = proof_signer("ES256")
SECRETS = {"reports": "secret-of-reports-1", "worker": "secret-of-worker-22"}
BEARERS = [f"Authorization: Bearer {secret}" for secret in (*SECRETS.values(), "another-secret-of-nobody")]
TARGETS = [
    "/v1/tokens/open",
    "/v1/tokens/closed",
    "/v1/token",
    "/v1/tokens/none",
    "/v1/tokens/open?wait=1ms",
    "/",
    "/oauth2/token",
]
FIELDS = [
    MARK,
    MARK,
    MARK,
    "metadata: TRUE",
    "Accept: text/plain",
    "Accept: image/png",
    "Origin: http://evil.example",
    "Via: 1.1 proxy",
    "X-Forwarded-For: 10.0.0.1",
    "X-Real-IP: 10.0.0.1",
    "Sec-Fetch-Site: none",
    "traceparent: @",
    "traceparent: @",
    "Content-Type: application/json",
    *BEARERS,
    *BEARERS,
]
# In their order; the last has the length of the others, and a field that the guard refuses.
TRACES = [
    b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    b"00-4bf92f3577b3\r\nOrigin: http://evil.example\r\nX: 2b7-00",
]
HOSTS = ["localhost", "localhost", "localhost:7180", "127.0.0.1", "evil.example"]
heads = st.builds(
    lambda target, fields, host, method: get(target, *fields, host=host, method=method),
    st.sampled_from(TARGETS),
    st.lists(st.sampled_from(FIELDS), max_size=4, unique=True),
    st.sampled_from(HOSTS),
    st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "OPTIONS"]),
)


@dataclass(frozen=True)
class Ask:
    """The head is sent on a connection `times` times, with another trace each time if it has one."""

    connection: int
    head: bytes
    times: int


@dataclass(frozen=True)
class Later:
    """Time passes, on both clocks."""

    seconds: float


@dataclass(frozen=True)
class Fresh:
    """A new token comes, a DPoP token if it is `bound`."""

    name: str
    lifetime: float
    bound: bool


@dataclass(frozen=True)
class Swap:
    """A caller's secret is another from now on."""

    name: str
    secret: str


steps = st.one_of(
    st.builds(Ask, st.integers(0, 2), heads, st.integers(1, 3)),
    st.builds(Ask, st.integers(0, 2), heads, st.integers(2, 3)),
    st.builds(Later, st.sampled_from([0.25, 1.0, 60.0, 295.5, 300.0])),
    st.builds(Fresh, st.sampled_from(["open", "closed"]), st.sampled_from([2.0, 300.0]), st.booleans()),
    st.builds(Swap, st.just("reports"), st.sampled_from([SECRETS["reports"], "another-secret-of-nobody"])),
)


@dataclass
class Side:
    """A desk with three clients."""

    desk: Desk
    folder: Path
    stack: AsyncExitStack
    wires: dict[int, Wire] = field(default_factory=dict)
    tokens: int = 0

    async def do(self, step: Ask | Later | Fresh | Swap) -> list[object]:
        match step:
            case Ask():
                return [await self.ask(step, trace) for trace in TRACES[: step.times]]
            case Later():
                self.desk.time += step.seconds
            case Fresh():
                self.tokens += 1
                key = PROOF_KEY if step.bound else None
                self.desk.put(step.name, lifetime=step.lifetime, text=f"token-{self.tokens}", proof_key=key)
            case Swap():
                (self.folder / step.name).write_text(step.secret)
                await self.desk.callers.reload()
        return []

    async def ask(self, step: Ask, trace: bytes) -> tuple[bytes, bytes]:
        if step.connection not in self.wires:
            self.wires[step.connection] = await self.stack.enter_async_context(wire(self.desk.addresses[0]))
        one = self.wires[step.connection]
        try:
            await one.send(step.head.replace(b"@", trace))
            answer: Answer = await one.answer(body=not step.head.startswith(b"HEAD"))
        except (asyncio.IncompleteReadError, ConnectionError):
            del self.wires[step.connection]
            return b"closed", b""
        return re.sub(rb"\r\nDate: [^\r]*", b"", answer.head), answer.body


@asynccontextmanager
async def side(folder: Path, *, fast_path: bool) -> AsyncIterator[Side]:
    folder.mkdir()
    for name, secret in SECRETS.items():
        (folder / name).write_text(secret)
    callers = {name: CallerSettings(secret_file=str(folder / name)) for name in SECRETS}
    lists = {"open": ("anonymous",), "closed": ("reports",)}
    async with (
        AsyncExitStack() as stack,
        open_desk("open", "closed", lists=lists, callers=callers, fast_path=fast_path) as desk,
    ):
        yield Side(desk, folder, stack)


async def compare(script: list[Ask | Later | Fresh | Swap]) -> None:
    with TemporaryDirectory() as folder:
        async with (
            side(Path(folder, "fast"), fast_path=True) as fast,
            side(Path(folder, "full"), fast_path=False) as full,
        ):
            for step in [Fresh("open", 300.0, bound=False), Fresh("closed", 300.0, bound=False), *script]:
                assert await fast.do(step) == await full.do(step)


@given(st.lists(steps, min_size=1, max_size=12))
@settings(max_examples=200)
def test_from_memory_and_in_full_the_same_bytes_are_answered(script: list[Ask | Later | Fresh | Swap]) -> None:
    asyncio.run(compare(script))


def hits(desk: Desk) -> int:
    return sum(event.times for event in desk.told if isinstance(event, Served) and event.seconds is None)


async def test_a_repeated_head_is_counted_within_a_second() -> None:
    async with open_desk("only") as desk:
        desk.put("only")
        async with wire(desk.addresses[0]) as one:
            for _ in range(5):
                await one.ask(get("/v1/token", MARK))
            assert hits(desk) == 0
            await asyncio.sleep(1.1)
    assert hits(desk) == 4
    assert sum(event.times for event in desk.told if isinstance(event, HandedOut)) == 5


async def test_what_was_answered_before_a_client_left_is_counted_too() -> None:
    async with open_desk("only") as desk:
        desk.put("only")
        async with wire(desk.addresses[0]) as one:
            for _ in range(3):
                await one.ask(get("/v1/token", MARK))
        await asyncio.sleep(1.1)
    assert hits(desk) == 2


async def test_a_traced_request_is_answered_from_memory_and_the_guard_still_stands() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only")
        statuses = [
            (await one.ask(get("/v1/token", MARK, f"traceparent: {trace.decode()}"))).status
            for trace in (*TRACES, *TRACES)
        ]
    assert statuses == [200, 200, 403, 200, 200, 403]
    assert [event.code for event in desk.told if isinstance(event, Served) and event.seconds is not None] == [
        200,
        403,
        200,
        403,
    ]


async def test_a_new_token_is_handed_out_at_once() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only", text="first")
        assert [await token(one), await token(one)] == ["first", "first"]
        desk.put("only", text="second")
        assert [await token(one), await token(one)] == ["second", "second"]


async def test_an_expired_token_is_never_handed_out_from_memory() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only", lifetime=100.0)
        for at, status in [(0, 200), (50.0, 200), (94.999, 200), (95.0, 503)]:
            desk.time = 1000.0 + at
            assert (await one.ask(get("/v1/token", MARK))).status == status


async def test_it_is_not_even_when_a_part_of_a_second_is_given_up() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only", lifetime=2.5)  # of which the last quarter of a second
        for at, status in [(0, 200), (2.1, 200), (2.24, 200), (2.26, 503)]:
            desk.time = 1000.0 + at
            assert (await one.ask(get("/v1/token", MARK))).status == status


@pytest.mark.parametrize("query", ["?min_ttl=10s", "?wait=1ms"])
async def test_a_wish_is_always_answered_in_full(query: str) -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only")
        for _ in range(3):
            assert (await one.ask(get(f"/v1/token{query}", MARK))).status == 200
        assert desk.served == [("/v1/token", 200)] * 3


async def test_the_seconds_that_are_left_are_told_as_they_are() -> None:
    async with open_desk("only") as desk, wire_to(desk) as one:
        desk.put("only", lifetime=100.0)
        said = []
        for _ in range(30):
            desk.time += 0.31
            said.append(((await one.ask(get("/v1/token", MARK))).json["expires_in"], int(1100.0 - desk.time)))
    assert [left for left, _ in said] == [right for _, right in said]


async def test_a_secret_that_is_no_longer_valid_ends_what_was_remembered(tmp_path: Path) -> None:
    file = tmp_path / "reports"
    file.write_text(SECRETS["reports"])
    head = get("/v1/token", MARK, f"Authorization: Bearer {SECRETS['reports']}")
    async with (
        open_desk("only", callers={"reports": CallerSettings(secret_file=str(file))}) as desk,
        wire_to(desk) as one,
    ):
        desk.put("only")
        assert [(await one.ask(head)).status for _ in range(3)] == [200] * 3
        file.write_text("another-secret-of-nobody")
        await desk.callers.reload()
        assert (await one.ask(head)).status == 401


async def test_off_is_off() -> None:
    async with open_desk("only", fast_path=False) as desk, wire_to(desk) as one:
        desk.put("only")
        for _ in range(3):
            await token(one)
    assert len([event for event in desk.told if isinstance(event, Served) and event.seconds is not None]) == 3


@asynccontextmanager
async def wire_to(desk: Desk) -> AsyncIterator[Wire]:
    async with wire(desk.addresses[0]) as one:
        yield one


async def token(one: Wire) -> str:
    said = (await one.ask(get("/v1/token", MARK))).json["access_token"]
    assert isinstance(said, str)
    return said
