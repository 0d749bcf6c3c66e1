"""What an authorization server may send: JSON that is almost right in many encodings, and HTTP that is almost right."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hypothesis import strategies as st

TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 3600, "scope": "a b"}
MEMBERS = [*TOKEN, "refresh_in", "id_token", "issuer", "token_endpoint", "error", "error_description", "errorCode", "x"]
ISSUER = "https://issuer.example"

#: Numbers as a JSON document has them, and some as it must not.
NUMBERS = [
    *("-1", "-0", "0", "0.5", "1e3", "1e15", "9223372036854775", "9223372036854775807", "1795435200", "1795435200000"),
    *("9" * 400, "9" * 5000, "1e400", "-1e400", "1E-400", "NaN", "Infinity", "-Infinity", "01", "+1", ".5", "0x10"),
]
TEXTS = [
    *(
        "",
        "t",
        "Bearer",
        "dpop",
        "a b",
        "a  b",
        "a\tb",
        "J\xf6rg",
        "\u0000",
        "\u202e",
        "\ufeff",
        "\ufffd",
        "3600",
        "-1",
    ),
    *("9" * 400, "\u0663", "a" * 5000, "a " * 3000, "invalid_client", "temporarily_unavailable", "slow_down", ISSUER),
    *(f"{ISSUER}:8443/token", f"{ISSUER}/token", "https://[::1", "https://xn--/", "javascript:1", '"', "\\", "<title>"),
]
#: Escapes that stand in a text: half a surrogate pair, a line break, what is none.
ESCAPES = ["\\ud800", "\\udc00\\ud800", "\\n", "\\u0000", "\\x41", "\\", "\n"]


def _object(members: Iterable[tuple[str, str]]) -> str:
    return f"{{{','.join(map(':'.join, members))}}}"


texts = st.builds(
    lambda text, escape: json.dumps(text, ensure_ascii=False)[:-1] + escape + '"',
    st.sampled_from(TEXTS) | st.text(max_size=20),
    st.just("") | st.sampled_from(ESCAPES),
)
scalars = st.sampled_from(["null", "true", "false", *NUMBERS]) | st.integers().map(str) | texts
nested = st.builds(
    lambda opening, closing, depth, inner: opening * depth + inner + closing * depth,
    *(st.just("["), st.just("]"), st.sampled_from([1, 2, 31, 33, 900, 20_000]), st.just("1")),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(texts, inner), max_size=3).map(_object)
    ),
    max_leaves=8,
)


@st.composite
def documents(draw: st.DrawFn, good: Mapping[str, object] = TOKEN) -> str:
    """An object with the members of `good`, some of them replaced, left out, or there twice."""
    members = [(json.dumps(name), json.dumps(value)) for name, value in good.items()]
    odd = st.tuples(st.sampled_from(MEMBERS).map(json.dumps) | texts, values | nested)
    for member in draw(st.lists(odd, max_size=3)):
        if draw(st.booleans()):
            members = [one for one in members if one[0] != member[0]]
        members.insert(draw(st.integers(0, len(members))), member)
    return _object(members) + draw(st.sampled_from([""] * 9 + ["}", " ", ",", "\x00"]))


@st.composite
def bodies(draw: st.DrawFn, good: Mapping[str, object] = TOKEN) -> bytes:
    """Such a document in some encoding, and what is none."""
    if draw(st.integers(0, 9)) == 9:
        return draw(st.binary(max_size=60) | st.sampled_from([b"", b"null", b"[]", b"<html><title>\xff</title>"]))
    encodings = ["utf-8"] * 5 + ["latin-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"]
    body = draw(documents(good)).encode(draw(st.sampled_from(encodings)), errors="replace")
    if draw(st.integers(0, 4)) == 4:
        place = draw(st.integers(0, len(body)))
        body = body[:place] + draw(st.binary(max_size=3)) + body[place + draw(st.integers(0, 2)) :]
    return body


FIELDS = {
    "Date": ["Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 23 Nov 2026 12:00:00 -9999", "Mon, 99 Nov 99999 99:99:99", "\xff"],
    "Retry-After": ["1", "0", "-1", "9" * 30, "9" * 5000, "1.5", "soon", "Mon, 23 Nov 2099 12:00:00 GMT"],
    "X-Rate-Limit-Reset": ["1", "9" * 5000, "x"],
    "DPoP-Nonce": ["n", "\xff", "a b", "n" * 9000, '"'],
    "Content-Type": ["application/json", "text/html; charset=\xff", "", "application/json; charset=utf-16"],
    "Content-Encoding": ["gzip", "deflate", "br", "zstd", "identity", "x", "gzip, gzip"],
    "Transfer-Encoding": ["chunked", "gzip", "chunked, chunked"],
    "Content-Length": ["0", "1", "-1", "99999999", "x", "1, 2"],
    "Location": ["https://evil.example/", "\xff", ""],
    "Set-Cookie": ["a=b", "\x01", "x" * 9000, "x" * 40_000],
    "WWW-Authenticate": ["Basic", 'DPoP error="use_dpop_nonce"'],
    "Connection": ["close", "keep-alive", "upgrade"],
    "Age": ["0", "x"],
    "": ["x"],
    "B\xe4d": ["x"],
}
choices = st.integers(0, 7) | st.text(st.characters(max_codepoint=255), max_size=8)
fields: st.SearchStrategy[dict[str, str]] = st.just({}) | st.dictionaries(
    st.sampled_from(sorted(FIELDS)), choices, max_size=3
).map(
    lambda drawn: {
        name: chosen if isinstance(chosen, str) else FIELDS[name][chosen % len(FIELDS[name])]
        for name, chosen in drawn.items()
    }
)
statuses = st.sampled_from([200] * 6 + [201, 204, 206, 301, 304, 400, 401, 403, 404, 407, 418, 429, 500, 503, 599])


@dataclass(frozen=True)
class Answer:
    """One answer, as bytes on the wire."""

    status: int
    fields: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def wire(self) -> bytes:
        """With the right length unless `fields` say otherwise."""
        framed = {"Content-Length": str(len(self.body))} | dict(self.fields)
        head = "".join(f"{name}: {value}\r\n" for name, value in framed.items())
        return f"HTTP/1.1 {self.status} Said\r\n{head}\r\n".encode("latin-1") + self.body


answers = st.builds(Answer, statuses, fields, bodies())


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """All that comes back on one connection: an answer, often spoilt, at times nothing like one."""
    if draw(st.integers(0, 9)) == 9:
        return draw(st.binary(max_size=100) | st.sampled_from([b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200\r\n\r\n{}"]))
    wire = draw(answers).wire
    if draw(st.integers(0, 3)) < 3:
        return wire
    place = draw(st.integers(0, len(wire)))
    new = draw(
        st.binary(max_size=8) | st.sampled_from([b"\r\n", b"\r\n\r\n", b"\x00", b"HTTP/1.1 100 Continue\r\n\r\n"])
    )
    return wire[:place] + new + wire[place + draw(st.integers(0, 40)) :]
