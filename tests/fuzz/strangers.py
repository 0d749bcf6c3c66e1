"""What strangers may send: requests that are right but for a thing or two, in one piece or not, and spoilt."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import strategies as st

from fuzz.entitled import BASIC, CALLER, CANARY, EMPTY, FORM, LONGEST_BODY, OPEN, USERS, Request

Fields: TypeAlias = tuple[tuple[str, str], ...]


def field(name: str, *values: str) -> Fields:
    """One line for each value."""
    return tuple((name, value) for value in values)


#: Values of `traceparent`, all of one length; with the last a web page caused the request.
TRACES = [
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736\r\nOrigin: null\r\nX: -",
]
GOOD_FORM = f"grant_type=client_credentials&client_id={USERS}&client_secret={CALLER}"
SMUGGLED = (
    f"GET /v1/tokens/{USERS} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\nAuthorization: Bearer {CALLER}\r\n\r\n"
).encode()
NOTHING = {"query": "", "authorization": (), "type": (), "one": (), "two": (), "body": b"", "framing": "none"}
TO_V1 = NOTHING | {"method": "GET", "host": field("Host", "localhost"), "metadata": field("Metadata", "true")}
TO_OAUTH = TO_V1 | {
    "method": "POST",
    "path": "/oauth2/token",
    "metadata": (),
    "type": field("Content-Type", FORM),
    "framing": "length",
}
#: Requests that get a token.
GOOD: list[Mapping[str, object]] = [
    TO_V1 | {"path": f"/v1/tokens/{OPEN}"},
    TO_V1 | {"path": f"/v1/tokens/{USERS}", "authorization": field("Authorization", f"Bearer {CALLER}")},
    TO_OAUTH | {"body": GOOD_FORM.encode()},
    TO_OAUTH | {"body": b"grant_type=client_credentials", "authorization": field("Authorization", f"Basic {BASIC}")},
]
EXTRAS = [
    field(name, value)
    for name, value in (
        *(("X-Forwarded-For", CANARY), ("X-Forwarded-Proto", "https"), ("X-Forwarded", "1"), ("Via", "1.1 a")),
        *(("X-Real-IP", "a"), ("True-Client-IP", "a"), ("CF-Connecting-IP", "a"), ("X-Envoy-External-Address", "a")),
        *(("Forwarded", "for=a"), ("Origin", "null"), ("Origin", f"http://{CANARY}"), ("Sec-Fetch-Site", "none")),
        *(("Sec-Fetch-Mode", "cors"), ("Upgrade", "h2c"), ("traceparent", TRACES[0]), ("Cookie", CANARY * 9)),
        *(("Accept", "*/*"), ("Accept", "text/plain"), ("Accept", "image/png"), ("Content-Encoding", "gzip")),
        *(("Connection", "close"), ("Connection", "keep-alive"), ("Expect", "100-continue")),
    )
]
#: What any part of a request may be instead; some of it is as good.
OTHERWISE: Mapping[str, list[object]] = {
    "method": ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"],
    "path": [
        *(f"/v1/tokens/{OPEN}", f"/v1/tokens/{USERS}", f"/v1/tokens/{EMPTY}", "/oauth2/token"),
        *(f"/v1/tokens/{OPEN}/rejected", f"/v1/tokens/{USERS}/rejected", "/v1/token", "/v1", "/", "//", "*"),
        *("/.well-known/oauth-authorization-server", f"/{CANARY}", f"/v1/tokens/{CANARY}", f"/v1/tokens/{OPEN}/"),
        *(f"http://localhost/v1/tokens/{OPEN}", f"/v1/tokens/../tokens/{OPEN}", f"/v1//tokens/{OPEN}"),
        *(f"/v1/tokens/{USERS}/proof", "/v1/tokens/%6fpen", "/oauth2/token/", "//oauth2/token"),
    ],
    "query": ["?", "?wait=10ms", "?min_ttl=10s", "?wait=10ms&min_ttl=10s", "?wait=1h", "?wait=x", f"?{CANARY}=1"],
    "host": [
        *((), field("Host", ""), field("Host", f"{CANARY}.example"), field("Host", "localhost@evil")),
        *(field("Host", "127.0.0.1:7180"), field("hOST", "[::1]"), field("Host", "LOCALHOST:1")),
        field("Host", "localhost", "localhost"),
    ],
    "metadata": [
        *((), field("metadata", "TRUE"), field("Metadata", "false"), field("Metadata", "true", "true")),
        *(field("Metadata", ""), field("Metadata_", "true"), field("X-Metadata", "true")),
    ],
    "authorization": [
        *((), field("Authorization", f"Bearer {CALLER}"), field("Authorization", f"Basic {BASIC}")),
        *(field("Authorization", f"Bearer {CANARY}"), field("Authorization", CANARY), field("Authorization", "")),
        field("Authorization", f"Bearer {CALLER}", f"Bearer {CALLER}"),
        field("Authorization", f"Bearer {CALLER}", f"Bearer {CANARY}"),
    ],
    "type": [
        (),
        *(field("Content-Type", kind) for kind in (FORM, f"{FORM}; charset=utf-8", "application/json", CANARY)),
    ],
    "one": [*EXTRAS],
    "two": [*EXTRAS],
    "body": [
        *(b"", GOOD_FORM.encode(), GOOD_FORM.replace(CALLER, CANARY).encode(), b"grant_type=client_credentials"),
        *(GOOD_FORM.encode() + more for more in (b"&scope=a", b"&scope=c", b"&resource=x", b"&client_id=open")),
        *(b'{"fingerprint": "0123456789ab"}', b'{"access_token": "%s"}' % CANARY.encode(), b"[" * (LONGEST_BODY + 1)),
        *(SMUGGLED, b"0\r\n\r\n" + SMUGGLED, CANARY.encode() * 200, b"\x00\xff" * 20),
    ],
    "framing": ["none", "length", "chunked"],
}


def built(parts: Mapping[str, object], order: int, *, apart: bool) -> Request:
    """A request of these parts, its fields turned round by `order`."""
    fields = [pair for name in ("host", "metadata", "authorization", "type", "one", "two") for pair in parts[name]]  # type: ignore[attr-defined]  # Fields, all of them
    turn = order % len(fields) if fields else 0
    return Request(
        method=str(parts["method"]),
        target=f"{parts['path']}{parts['query']}",
        fields=(*fields[turn:], *fields[:turn]),
        body=bytes(parts["body"]),  # type: ignore[call-overload]  # bytes they are
        framing=str(parts["framing"]),
        apart=apart,
    )


changed_parts = st.sampled_from(sorted(OTHERWISE)).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(OTHERWISE[name]))
)
#: Right but for three things at most.
requests = st.builds(
    lambda good, otherwise, order, apart: built({**good, **dict(otherwise)}, order, apart=apart),
    st.sampled_from(GOOD),
    st.lists(changed_parts, max_size=3),
    st.integers(0, 5),
    st.booleans(),
)

noise = st.binary(max_size=12) | st.sampled_from(
    [
        *(b"\x00\t\r\n :;,0\xff\x80"[place : place + 1] for place in range(11)),
        *(b"\r\n", b"\r\n\r\n", b"%00", b"-1", b"GET ", b"POST ", b"CONNECT x:1 ", b"PRI * HTTP/2.0\r\n"),
        *(b" HTTP/1.1\r\n", b" HTTP/2.0\r\n", b" HTTP/1.0\r\n", b" HTTP/0.9\r\n", b"\r\n folded"),
        *(b"Host: localhost\r\n", b"Metadata: true\r\n", b"Content-Length: 5\r\n", b"Content-Length: +5\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity, chunked\r\n"),
        *(b"Transfer-Encoding: \x0bchunked\r\n", b"ffffffffffffffff\r\n", b"5;%s\r\n" % CANARY.encode()),
        *(b"http://[::1]@", b"http://xn--/", SMUGGLED, SMUGGLED[:60], b"Y: y\r\n" * 80),
        *(b"X: " + CANARY.encode() * 1500 + b"\r\n", CANARY.encode() * 10_000, b"z" * 1_000_000),
    ]
)


@dataclass(frozen=True)
class Change:
    """At `place`, a share of the whole, `length` bytes make room for `new`."""

    place: float
    length: int
    new: bytes

    def made(self, data: bytes) -> bytes:
        """`data` with it."""
        start = int(self.place * len(data))
        return data[:start] + self.new + data[start + self.length :]


changes = st.lists(st.builds(Change, st.floats(0, 1), st.integers(0, 30) | st.just(0), noise), max_size=4)


@dataclass(frozen=True)
class Conversation:
    """Bytes in pieces, and how it ends: `half` closed by the client, `reset`, or not at all (`wait`)."""

    pieces: tuple[bytes, ...]
    end: str

    @property
    def sent(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Requests one behind the other, spoilt, and cut where TCP might have."""
    data = b"".join(request.wire for request in draw(st.lists(requests, min_size=1, max_size=4)))
    for change in draw(changes):
        data = change.made(data)
    cuts = sorted({int(place * len(data)) for place in draw(st.lists(st.floats(0, 1), max_size=4))} - {0, len(data)})
    pieces = tuple(data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True))
    return Conversation(pieces, draw(st.sampled_from(["half"] * 7 + ["reset"] * 4 + ["wait"])))
