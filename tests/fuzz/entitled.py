"""What a request has to be for a token to be its answer.

`entitled` is written from docs/openapi.yaml and docs/clients.md alone, and shares no line with the program.
"""

import base64
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

CALLER = "caller-0123456789abcdef"
#: Stands in whatever a stranger may choose; it must not come back. (A name in a query may, if it looks like one.)
CANARY = "CaNaRy7"
#: The tokens by their names: for everyone, for the caller, never there.
OPEN, USERS, EMPTY = "open", "users-api", "empty"
TOKENS = {OPEN: "eyJ.the-open-token.sig", USERS: "eyJ.the-users-token.sig"}
QUERIES_GRANTED = ("", "wait=10ms", "min_ttl=10s", "wait=10ms&min_ttl=10s")
#: What the tokens of a Desk are granted.
SCOPES = {"a", "b"}
BASIC = base64.b64encode(f"{USERS}:{CALLER}".encode()).decode()
LONGEST_BODY = 2048
FORM = "application/x-www-form-urlencoded"
#: Beside X-Forwarded-*. Written out again: the fuzz must not inherit an omission of the broker's own list.
PROXY_FIELDS = ("forwarded", "via", "x-real-ip", "true-client-ip", "cf-connecting-ip", "x-envoy-external-address")

_HOST = re.compile(r"(localhost|127(\.[0-9]+){3}|\[[0-9a-f:.]+\])(:[0-9]+)?", re.IGNORECASE)
_HEAD = re.compile(rb"(?=(?:GET|POST) [^ \r\n]+ HTTP/1\.[01]\r\n)")


@dataclass(frozen=True)
class Request:
    """`framing` is how the length of the body is told: `none`, `length` or `chunked`; `apart`: the body comes later."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    framing: str
    apart: bool

    def traced(self, trace: str) -> "Request":
        """The same with `trace` for the value of its `traceparent`, if it has one."""
        fields = tuple((name, trace if name == "traceparent" else value) for name, value in self.fields)
        return replace(self, fields=fields)

    @property
    def wire(self) -> bytes:
        """Its bytes, well-formed as far as the fields are."""
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.fields)]
        body = self.body
        if self.framing == "length":
            lines.append(f"Content-Length: {len(body)}")
        elif self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
            cut = len(body) // 2
            chunks = [part for part in (body[:cut], body[cut:]) if part]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in chunks) + b"0\r\n\r\n"
        else:
            body = b""
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    @property
    def pieces(self) -> list[bytes]:
        """The same, as it is sent."""
        head, end, body = self.wire.partition(b"\r\n\r\n")
        return [head + end, body] if self.apart and body else [self.wire]

    @property
    def entitled(self) -> str | None:
        """The name of the token that it has to be answered with."""
        return entitled(self.wire, b"" if self.framing == "none" else self.body)

    @property
    def closes(self) -> bool:
        """Whether what comes after it need not be answered."""
        names = [name.lower() for name, _ in self.fields]
        too_much = self.framing != "none" and len(self.body) > LONGEST_BODY
        broken = not self.target.startswith("/") or names.count("host") != 1
        return broken or too_much or "connection" in names or "expect" in names


def entitled(head: bytes, body: bytes) -> str | None:
    """The name of the token that may be handed out for the request at the beginning of `head`."""
    first, *lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    method, target = first.split(" ")[:2]
    path, _, query = target.partition("?")
    fields = [(name.lower(), value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines)]
    names = [name for name, _ in fields]

    def only(name: str) -> str | None:
        found = [value for each, value in fields if each == name]
        return found[0] if len(found) == 1 else None

    if not _HOST.fullmatch(only("host") or "") or {"origin", "sec-fetch-site"} & set(names):
        return None
    passed_on = any(name in PROXY_FIELDS or name.startswith("x-forwarded-") for name in names)
    if path == "/oauth2/token":
        return _by_oauth(method, only("content-type") or "", only("authorization"), "authorization" in names, body)
    if passed_on or method != "GET" or (only("metadata") or "").lower() != "true":
        return None
    token = {f"/v1/tokens/{name}": name for name in TOKENS}.get(path)
    secret = (only("authorization") or "") if "authorization" in names else None
    right = secret is not None and re.fullmatch(rf"bearer +{CALLER}", secret, re.IGNORECASE) is not None
    if token is None or (secret is not None and not right) or (token == USERS and not right):
        return None
    accept = only("accept") or "*/*"
    return token if accept in ("*/*", "text/plain", "application/json") and query in QUERIES_GRANTED else None


def _by_oauth(method: str, kind: str, authorization: str | None, authorized: bool, body: bytes) -> str | None:  # noqa: FBT001 - of a row of values
    """A right secret makes up for marks of a proxy; without one there is never a token."""
    if method != "POST" or kind.partition(";")[0].strip().lower() != FORM:
        return None
    pairs = parse_qsl(body.decode("latin-1"))
    form = dict(pairs)
    if len(form) != len(pairs) or form.get("grant_type") != "client_credentials":
        return None
    if not set(form.get("scope", "").split()) <= SCOPES or {"resource", "audience", "client_assertion"} & set(form):
        return None
    if authorized:
        by_basic = authorization == f"Basic {BASIC}" and "client_secret" not in form
        return USERS if by_basic and form.get("client_id", USERS) == USERS else None
    name = form.get("client_id", "")
    return name if name in TOKENS and form.get("client_secret") == CALLER else None


def candidates(sent: bytes) -> list[str]:
    """The tokens that may be handed out for whatever looks like a request in `sent`, wherever that stands."""
    found = []
    for match in _HEAD.finditer(sent):
        head, _, after = sent[match.start() :].partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length:[ \t]*([0-9]+)", head, re.IGNORECASE)
        form = re.search(rb"\bgrant_type=[^\r\n ]*", after)
        bodies = [after[: int(length[1][:9])] if length else b"", form[0] if form else b"", _unchunked(after)]
        found += [name for name in {entitled(head, body) for body in bodies} if name]
    return found


def _unchunked(data: bytes) -> bytes:
    body = b""
    while (size := re.match(rb"([0-9a-f]{1,6})[^\r\n]*\r\n", data, re.IGNORECASE)) and int(size[1], 16):
        end = size.end() + int(size[1], 16)
        body += data[size.end() : end]
        data = data[end + 2 :]
    return body
