"""Mutated heads: what the strict pattern accepts, aiohttp's parser accepts too, as the same request."""

import asyncio
import os
import random

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser, HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDict, MultiMapping

from broker.core.settings import Limits
from broker.workload_api.guard import Guard
from broker.workload_api.head import Head
from broker.workload_api.strict_head import HeadPattern, deciding_fields

HEADS = 200 * int(os.environ.get("FUZZ_EXAMPLES", "25"))
LIMITS = [Limits(), Limits(line=256, field=256), Limits(fields=8)]
GUARD = Guard(require_header=True, allowed_hosts=[])
#: Of several clients.
CLIENTS = [
    ("Host: localhost:7180", "User-Agent: curl/8.5.0", "Accept: */*", "Metadata: true"),
    ("Host: localhost", "User-Agent: Go-http-client/1.1", "Metadata: true", "Accept-Encoding: gzip"),
    ("host: localhost", "connection: keep-alive", "metadata: true", "sec-fetch-mode: cors", "accept: application/json"),
    (
        "Host: 127.0.0.1",
        "Accept-Encoding: gzip, deflate",
        "Connection: keep-alive",
        "Authorization: Bearer abcdefghijklmnop",
        "Metadata: true",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "X-Request-ID: 7f6f3c1e-5f8c-4e0b-9c55-6f4b3a1d2e00",
    ),
    ("Connection: Upgrade, HTTP2-Settings", "Host: localhost", "HTTP2-Settings: AAEAAEAA", "Upgrade: h2c"),
]
#: Whole lines that a mutation puts in.
LINES = [
    *(b"Host: localhost", b"host:", b"Host : x", b"User-Agent: x", b"user-agent:metadata: true", b"Metadata: true"),
    *(b"Content-Length: 0", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Expect: 100-continue"),
    *(b"Connection: close", b"Connection: Keep-Alive", b"Connection: keep-alive, close", b"Proxy-Connection: close"),
    *(
        b"X-Real-IP: 10.0.0.1",
        b"true-client-ip: x",
        b"CF-Connecting-IP:",
        b"X-Envoy-External-Address: x",
        b"Upgrade: h2c",
    ),
    *(b"Connection: Upgrade, HTTP2-Settings", b"Connection: HTTP2-Settings, Upgrade", b"Upgrade: h2c, websocket"),
    *(b"Upgrade: websocket", b"Upgrade: tcp", b"Connection: upgrade", b"Sec-WebSocket-Key1: x", b"TE: trailers"),
    *(b"ETag: x", b"Server: x", b"Server: y", b"Max-Forwards: 1", b"Content-Range: x", b"Content-Location: x"),
    *(b"Content-Type: a", b"Content-Encoding: gzip", b"Via: 1.1 x", b"X-Forwarded-For: x", b"x-forwarded-", b"X: a\tb"),
    *(b"Origin: null", b" folded", b"A:  b", b"A: b ", b"", b"GET /v1/token HTTP/1.1", b"X: " + b"y" * 300, b"X: \xff"),
]
TARGETS = [b"/v1/token", b"/v1/tokens/users-api", b"/v1/tokens/..", b"/v1/tokens/a", b"/v1/token?", b"/"]
SPECIAL = [*(bytes([each]) for each in b"\0\t\r\n :/?#-\x7f\xff"), b"\r\n", b"\r\n\r\n", b"HTTP/1.0"]


def mutated(draw: random.Random) -> bytes:
    """A head that a client might send, after up to three mutations of its lines and up to two of its bytes."""
    lines = [b"GET %b HTTP/1.1" % draw.choice(TARGETS), *(line.encode() for line in draw.choice(CLIENTS))]
    for _ in range(draw.randrange(4)):
        place = draw.randrange(1, len(lines) + 1)
        match draw.randrange(5):
            case 0 | 1:
                lines.insert(place, draw.choice(LINES))
            case 2:
                lines.insert(place, draw.choice(lines))
            case 3:
                lines[place:] = draw.sample(lines[place:], len(lines) - place)
            case _:
                del lines[place : place + 1]
    data = b"\r\n".join([*lines, b"", b""])
    for _ in range(draw.choice([0, 0, 1, 2])):
        place = draw.randrange(len(data) + 1)
        match draw.randrange(4):
            case 0:
                data = data[:place] + draw.choice(SPECIAL) + data[place:]
            case 1:
                data = data[:place] + bytes([draw.randrange(256)]) + data[place + 1 :]
            case 2:
                data = data[:place] + data[place + draw.randrange(4) :]
            case _:
                data = data[:place] + data[place : place + 9].swapcase() + data[place + 9 :]
    return data


def decides(name: str) -> bool:
    """Written out again: the fuzz must not inherit an omission of the broker's own list."""
    name = name.lower()
    by_value = ("host", "metadata", "accept", "authorization", "content-type")
    by_presence = ("forwarded", "via", "origin", "sec-fetch-site")
    of_proxies = ("x-real-ip", "true-client-ip", "cf-connecting-ip", "x-envoy-external-address")
    return name in (*by_value, *by_presence, *of_proxies) or name.startswith("x-forwarded-")


def pairs(fields: MultiMapping[str]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in fields.items() if decides(name)]


def test_what_the_strict_pattern_accepts_aiohttp_accepts_alike() -> None:
    draw = random.Random(20261201)
    loop = asyncio.new_event_loop()
    patterns = [HeadPattern(limits) for limits in LIMITS]
    accepted = 0
    for _ in range(HEADS):
        data = mutated(draw)
        number = draw.choice([0, 0, 1, 2])
        matched = patterns[number].match(data)
        fields = matched and deciding_fields(matched[1])
        if matched and fields is not None:
            accepted += 1
            same_request(data, matched[0], fields, LIMITS[number], loop)
    loop.close()
    assert accepted > HEADS / 10


def same_request(
    data: bytes, target: bytes, fields: CIMultiDict[str], limits: Limits, loop: asyncio.AbstractEventLoop
) -> None:
    parser = HttpRequestParser(
        BaseProtocol(loop),
        loop,
        65536,
        max_line_size=limits.line,
        max_field_size=limits.field,
        max_headers=limits.fields,
        auto_decompress=False,
    )
    try:
        [(message, payload)], upgraded, tail = parser.feed_data(data)
    except (HttpProcessingError, ValueError) as error:
        raise AssertionError(data) from error
    assert (message.method, message.path, message.version) == ("GET", target.decode(), HttpVersion11), data
    assert (payload, upgraded, tail, message.should_close, message.chunked) == (EMPTY_PAYLOAD, False, b"", False, False)
    assert not message.compression, data
    sent = [line.partition(b":") for line in data.split(b"\r\n")[1:-2]]
    assert [(name, value.strip()) for name, _, value in sent] == list(message.raw_headers), data
    assert pairs(message.headers) == pairs(fields), data
    verdicts = [GUARD("GET", message.path, Head(of), over_unix=False) for of in (message.headers, fields)]
    assert verdicts[0] is verdicts[1], data
