"""Which request heads are answered without aiohttp, and what is read of them."""

import time

import pytest

from broker.core.settings import Limits
from broker.workload_api.strict_head import MAX_HEAD_BYTES, HeadPattern, deciding_fields
from desk import MARK
from raw_http import get

PATTERN = HeadPattern(Limits())


def read(data: bytes, pattern: HeadPattern = PATTERN) -> tuple[bytes, list[tuple[str, str]]] | None:
    matched = pattern.match(data)
    fields = matched and deciding_fields(matched[1])
    return None if matched is None or fields is None else (matched[0], list(fields.items()))


def test_the_fields_that_decide_are_read_and_no_others() -> None:
    head = get(
        "/v1/tokens/a.b_c-1", MARK, "user-agent: a  b", "ACCEPT:*/*", "X: Via: 1", "x-forwarded-for:", "Origins: x"
    )
    read_fields = [("Host", "localhost"), ("Metadata", "true"), ("ACCEPT", "*/*"), ("x-forwarded-for", "")]
    assert read(head) == (b"/v1/tokens/a.b_c-1", read_fields)


HARMLESS = [
    *("Connection: keep-alive", "connection:Keep-Alive", "Keep-Alive: 5", "TE: x", "A:"),
    *("Connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "HTTP2-Settings: AAEAAEAA"),  # Java's
]


@pytest.mark.parametrize("field", HARMLESS)
def test_fields_that_change_nothing_are_accepted(field: str) -> None:
    assert read(get("/v1/token", field)) == (b"/v1/token", [("Host", "localhost")])


@pytest.mark.parametrize(
    "head",
    [
        *(get("/v1/token", method=method) for method in ("POST", "HEAD", "OPTIONS", "get")),
        *(get(target) for target in ("/", "/v1/token?", "/v1/token?wait=1s", "/v1/token#", "/v1/token/", "//v1/token")),
        *(get(target) for target in ("/v1/tokens/", "/v1/tokens/a/proof", "/v1/tokens/%61", "http://x/v1/token", "*")),
        get("/v1/token").replace(b"1.1", b"1.0"),
        get("/v1/token").replace(b"\r\n", b"\n"),
        get("/v1/token")[:-1],
        get("/v1/token") + b"G",
        b"\r\n" + get("/v1/token"),
        2 * get("/v1/token"),
        get("/v1/token", body=b"x"),
        b"GET /v1/token HTTP/1.1\r\n\r\n",
        b"GET /v1/token HTTP/1.1\r\nMetadata: true\r\n\r\n",
        *(get("/v1/token", f"A: {value}") for value in ("\0", "a\tb", "a ", " a", "\x7f", "é", "a\rb", "a\nb")),
        *(get("/v1/token", field) for field in ("A", "A : b", " A: b", "A b: c", ": x", "(: x")),
        *(get("/v1/token", "Host: x"), get("/v1/token", "User-Agent: a", "user-agent: b")),
        get("/v1/token", "Content-Type: a", "content-type: a"),
        *(get("/v1/token", f"Connection: {value}") for value in ("close", "Upgrade", "", "close, x")),
        get("/v1/token", "Connection: keep-alive", "Connection: close"),
        *(get("/v1/token", field) for field in ("Content-Length: 0", "Transfer-Encoding: chunked", "Expect: x")),
        *(get("/v1/token", field) for field in ("Upgrade: h2", "Content-Encoding: gzip", "Sec-WebSocket-Key1: x")),
        get("/v1/token", f"A: {'x' * MAX_HEAD_BYTES}"),
    ],
)  # fmt: skip
def test_everything_else_is_left_to_aiohttp(head: bytes) -> None:
    assert read(head) is None


@pytest.mark.parametrize("limits", [Limits(line=256), Limits(field=256)])
def test_no_line_or_field_exceeds_a_configured_limit(limits: Limits) -> None:
    head = get("/v1/token", f"A: {'x' * 256}")
    assert read(head) is not None
    assert read(head, HeadPattern(limits)) is None
    assert read(get("/v1/token"), HeadPattern(limits)) is not None


def test_no_more_fields_than_configured_are_accepted() -> None:
    pattern = HeadPattern(Limits(fields=8))
    assert read(get("/v1/token", *["A: b"] * 7), pattern) is not None
    assert read(get("/v1/token", *["A: b"] * 8), pattern) is None


@pytest.mark.parametrize(
    "filling", [b"a", b"a: b\r\n", b"a:\r\n", b": ", b"\r\n", b" ", b"user-agent:\r\n", b"a: b c\r\n"]
)
def test_no_input_takes_long_to_match(filling: bytes) -> None:
    data = (b"GET /v1/token HTTP/1.1\r\nHost: x\r\nA: " + filling * MAX_HEAD_BYTES)[:MAX_HEAD_BYTES]
    began = time.thread_time()
    for _ in range(20):
        PATTERN.match(data)
    assert time.thread_time() - began < 0.1
