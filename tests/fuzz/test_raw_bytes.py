"""Generated and spoilt bytes at the socket of the whole hand-out. `make fuzz` does more of it (FUZZ_EXAMPLES)."""

import asyncio
import gc
import logging
import os
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.core.durations import Duration
from broker.core.events import Crashed, Refused
from broker.core.settings import CallerSettings, Limits
from broker.http_server import Listener
from broker.http_server.connection import Connection
from broker.http_server.request_rules import REFUSALS
from desk import Desk
from fuzz.entitled import CALLER, CANARY, EMPTY, LONGEST_BODY, OPEN, TOKENS, USERS, Request, candidates
from fuzz.strangers import GOOD, TRACES, Conversation, built, conversations, requests
from raw_http import Wire, get, wire

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
#: Seconds within which a conversation is over, whatever was said: the longest limit below, and the listener's linger.
PATIENCE = 6.0
LIMITS = Limits(body=LONGEST_BODY, head_timeout=Duration(0.4), body_timeout=Duration(0.4), idle_timeout=Duration(0.6))


@dataclass
class Target:
    """A hand-out on a socket; `logged` is all that anybody logged or let escape meanwhile."""

    desk: Desk
    listener: Listener
    logged: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.listener.addresses[0]

    async def is_well(self) -> None:
        """It answers a good request, and what the strangers had opened is closed and forgotten."""
        async with wire(self.address) as one:
            answer = await one.ask(get(f"/v1/tokens/{OPEN}", "Metadata: true", "Connection: close"))
            assert (answer.status, answer.json["access_token"]) == (200, TOKENS[OPEN])
        factory = self.listener._factory
        assert factory is not None
        async with asyncio.timeout(PATIENCE):
            while factory._connections or len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.01)
        assert not [event for event in self.desk.told if isinstance(event, Crashed)]
        assert {event.reason for event in self.desk.told if isinstance(event, Refused)} <= set(REFUSALS)
        assert not self.logged


class Watch(logging.Handler):
    """Notes what is logged, by whomever."""

    def __init__(self, logged: list[str]) -> None:
        super().__init__(logging.INFO)
        self.logged = logged

    def emit(self, record: logging.LogRecord) -> None:
        self.logged.append(record.getMessage())


@asynccontextmanager
async def target(folder: Path, *, fast_path: bool) -> AsyncIterator[Target]:
    """With the tokens that strangers.py knows, and no other."""
    (folder / "caller").write_text(CALLER)
    lists = {OPEN: ("anonymous",), USERS: ("caller",), EMPTY: ("anonymous",)}
    callers = {"caller": CallerSettings(secret_file=str(folder / "caller"))}
    desk = Desk(tuple(lists), lists, callers=callers, limits=LIMITS, fast_path=fast_path)
    await desk.callers.load()
    for name, text in TOKENS.items():
        desk.put(name, text=text)
    listener = Listener(
        "api.listen",
        ("127.0.0.1:0",),
        desk.handout.handle,
        max_connections=64,
        limits=LIMITS,
        find_response=desk.handout.find_response,
        observe=desk.told.append,
    )
    one = Target(desk, listener)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: one.logged.append(repr(context)))
    watch = Watch(one.logged)
    logging.getLogger().addHandler(watch)
    try:
        async with listener:
            yield one
    finally:
        logging.getLogger().removeHandler(watch)


def against(
    folder: Path, talk: Callable[[str, Any], Awaitable[bytes]], talks: Sequence[Any], *, fast_path: bool = True
) -> list[bytes]:
    """What each of the talks, all at the same time, was answered."""

    async def all_of_them() -> list[bytes]:
        async with target(folder, fast_path=fast_path) as one:
            answers = await asyncio.gather(*(talk(one.address, each) for each in talks))
            await one.is_well()
            return answers

    return asyncio.run(all_of_them())


async def send(address: str, conversation: Conversation) -> bytes:
    """All that comes back until the connection is over."""
    async with asyncio.timeout(PATIENCE), wire(address) as one:
        reading = asyncio.ensure_future(one.reader.read())
        with suppress(ConnectionError):  # the server may stop reading before we stop sending
            for piece in conversation.pieces:
                await one.send(piece)
                await asyncio.sleep(0)
            if conversation.end == "half":
                one.writer.write_eof()
        if conversation.end == "reset":
            raw = one.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.writer.transport.abort()
        try:
            return await reading
        except ConnectionError:
            return bytes(one.reader._buffer)  # type: ignore[attr-defined]  # what came before the reset


async def ask(address: str, questions: list[Request]) -> bytes:
    """One request after the answer to the other, on one connection, until that is closed."""
    answers = b""
    async with asyncio.timeout(PATIENCE), wire(address) as one:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            for question in questions:
                for piece in question.pieces:
                    await one.send(piece)
                    await asyncio.sleep(0.002)
                answers += await answer(one, question)
    return answers


async def answer(one: Wire, question: Request) -> bytes:
    """Status line to end of body, and interim answers before."""
    found = await one.answer(body=question.method != "HEAD")
    if found.status == 100:
        return found.head + await answer(one, question)
    return found.head + found.body


def tokens(answers: bytes) -> list[str]:
    """The names of the tokens in it, in order."""
    names = {text.encode(): name for name, text in TOKENS.items()}
    return [names[text] for text in re.findall(b"|".join(map(re.escape, names)), answers)]


# In the version that was asked in, whichever that was: aiohttp copies it into the status line.
ANSWER = re.compile(
    rb"HTTP/[0-9]\.[0-9] (100|200|202|4[0-9]{2}|503) [A-Za-z -]+\r\n((?:[A-Za-z-]+: [^\r\n]*\r\n)*)\r\n"
)


def decent(answers: bytes, *, cut: bool = False) -> None:
    """Answers of HTTP and nothing else: nothing of what was sent, no error of ours. `cut`: the last may be lost."""
    assert CANARY.encode() not in answers
    assert CALLER.encode() not in answers
    while answers:
        found = ANSWER.match(answers)
        if found is None and cut and b"\r\n\r\n" not in answers:
            return
        assert found, answers[:80]
        answers = answers[found.end() :]
        if found[1] == b"100":
            continue
        fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in found[2].split(b"\r\n"))}
        assert (fields[b"server"], fields[b"cache-control"]) == (b"token-broker", b"no-store")
        assert not [name for name in fields if name.startswith(b"access-control")]
        length = int(fields.get(b"content-length", 0))
        if answers and not answers.startswith(b"HTTP/"):  # or it was asked for by HEAD
            assert len(answers) >= length or cut
            answers = answers[length:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


FUZZ = settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
QUICK = settings(FUZZ, max_examples=8 * EXAMPLES)
SEVERAL = st.lists(requests, min_size=1, max_size=5)
REPEATED = SEVERAL.flatmap(
    lambda some: st.lists(
        st.builds(Request.traced, st.sampled_from(some), st.sampled_from(TRACES)), min_size=1, max_size=8
    )
)


def test_the_requests_that_all_others_are_made_of_get_a_token(folder: Path) -> None:
    questions = [built(good, 0, apart=False) for good in GOOD]
    expected = [OPEN, USERS, USERS, USERS]
    assert [question.entitled for question in questions] == expected
    assert tokens(*against(folder, ask, [questions])) == expected


@QUICK
@given(st.lists(REPEATED, min_size=4, max_size=8), st.booleans())
def test_a_token_is_the_answer_to_the_requests_that_may_have_it_and_to_no_other(
    folder: Path,
    talks: list[list[Request]],
    fast_path: bool,  # noqa: FBT001 - given by name
) -> None:
    for questions, answers in zip(talks, against(folder, ask, talks, fast_path=fast_path), strict=True):
        decent(answers)
        expected = [request.entitled for request in questions if request.entitled]
        found = tokens(answers)
        assert found == expected[: len(found)]
        if not any(request.closes for request in questions):
            assert found == expected


@QUICK
@given(st.lists(REPEATED, min_size=4, max_size=8))
def test_it_is_so_when_requests_come_in_one_piece(folder: Path, talks: list[list[Request]]) -> None:
    pipelines = [Conversation((b"".join(request.wire for request in questions),), "half") for questions in talks]
    for questions, answers in zip(talks, against(folder, send, pipelines), strict=True):
        decent(answers)
        expected = [request.entitled for request in questions if request.entitled]
        found = tokens(answers)
        assert found == expected[: len(found)]
        if not any(request.closes for request in questions):
            assert found == expected


@FUZZ
@given(st.lists(conversations(), min_size=6, max_size=12))
def test_spoilt_bytes_never_get_a_token_hang_echo_or_break_anything(folder: Path, talks: list[Conversation]) -> None:
    for conversation, answers in zip(talks, against(folder, send, talks), strict=True):
        decent(answers, cut=conversation.end == "reset")
        allowed = candidates(conversation.sent)
        for name in TOKENS:
            assert tokens(answers).count(name) <= allowed.count(name)


def test_no_connection_of_all_these_is_left_in_memory() -> None:
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Connection)]
