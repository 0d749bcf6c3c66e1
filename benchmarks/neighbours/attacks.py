"""What strangers without a credential can do with many connections. Nothing here leaves the machine."""

from dataclasses import dataclass

#: New connections a second: of floods, and of attacks with many bytes.
FAST, HEAVY = 2000, 1000

HEAD = b"GET /v1/tokens/t HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n"
POST = b"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
WAIT = b"GET /v1/tokens/absent?wait=30s HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n"
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def fields(number: int, size: int) -> bytes:
    """Lines of a head, each of `size` bytes."""
    return b"".join(b"X-%02d: %b\r\n" % (n, b"a" * (size - 8)) for n in range(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Connections to one listener: each sends `first`, then `more` every `every` seconds, or as fast as it can.

    `rate` new ones a second replace the oldest when there are `connections`. None reads an answer.
    """

    name: str
    to: str = "api"
    connections: int = 512
    rate: int = FAST
    sources: int = 1
    first: bytes = b""
    more: bytes = b""
    every: float = 0.0
    #: Tokens of the broker beside the usual one: they make its metrics long.
    tokens: int = 0


ATTACKS = (
    Attack(name="silent, API", connections=4096),
    Attack(name="silent, Unix socket", to="unix", connections=4096),
    Attack(name="silent, admin", to="admin", connections=4096),
    Attack(name="silent, admin, 64 sources", to="admin", sources=64, connections=4096),
    Attack(name="closed at once", connections=1),
    Attack(name="an answer, then idle, admin", to="admin", first=LIVEZ, connections=4096),
    Attack(name="heads of a byte a second", first=HEAD, more=b"a", every=1.0, connections=4096),
    Attack(name="unfinished heads, 480 kB", first=HEAD + fields(60, 8000), rate=HEAVY),
    Attack(name="unfinished heads, 16 kB", first=HEAD + fields(60, 260), connections=4096),
    Attack(name="unfinished heads, 60 fields", first=HEAD + fields(60, 10), connections=4096),
    Attack(name="unfinished heads, Unix socket", to="unix", first=HEAD + fields(60, 260), connections=4096),
    Attack(
        name="unfinished heads, admin, 64 sources",
        to="admin",
        first=HEAD + fields(60, 260),
        sources=64,
        connections=4096,
    ),
    Attack(name="unfinished bodies", first=POST + b"Content-Length: 65536\r\n\r\n" + b"a" * 65000, rate=HEAVY),
    Attack(name="chunks without end", first=CHUNKED, more=b"1000\r\n" + b"a" * 4096 + b"\r\n", rate=HEAVY),
    Attack(name="chunks of a byte", first=CHUNKED, more=b"1\r\na\r\n" * 2000, rate=HEAVY),
    Attack(name="trailers without end", first=CHUNKED + b"0\r\n", more=fields(60, 1000), rate=HEAVY),
    Attack(name="?wait with heads of 16 kB", first=WAIT + fields(59, 260) + b"\r\n", rate=HEAVY),
    Attack(name="?wait, bytes behind it", first=WAIT + b"\r\n", more=HEAD + fields(60, 260), rate=HEAVY),
    Attack(name="slow readers that pipeline", first=HEAD + b"\r\n", more=(HEAD + b"\r\n") * 50, rate=HEAVY),
    Attack(
        name="slow readers that pipeline, Unix", to="unix", first=HEAD + b"\r\n", more=(HEAD + b"\r\n") * 50, rate=HEAVY
    ),
    Attack(
        name="slow readers of /metrics",
        to="admin",
        sources=64,
        more=LIVEZ.replace(b"/livez", b"/metrics") * 2,
        every=0.2,
        connections=64,
        rate=16,
        tokens=990,
    ),
    Attack(name="TLS hellos", first=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 300, rate=HEAVY),
    Attack(name="HTTP/2 prefaces", first=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 100, rate=HEAVY),
    Attack(name="Expect: 100-continue", first=POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", rate=HEAVY),
    Attack(name="noise", first=bytes(range(256)) * 64, rate=HEAVY),
)
