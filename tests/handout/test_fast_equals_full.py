"""A cached answer is the full path's, byte for byte, whatever happened before."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.settings import CallerSettings
from broker.keys.generate import proof_signer
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
