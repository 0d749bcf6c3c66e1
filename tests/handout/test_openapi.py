"""docs/openapi.yaml and the running server, held to each other: neither may answer what the other does not know."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from broker.core.settings import CallerSettings, Limits
from broker.keys.generate import proof_signer
from broker.workload_api import routes
from broker.workload_api.proofs import PER_SECOND
from desk import Desk, open_desk
from raw_http import Answer, get, wire

FILE = Path(__file__).parents[2] / "docs/openapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
REGISTRY: Registry[Any] = Registry().with_resource("", DRAFT202012.create_resource(DOCUMENT))
ROUTES = [value for value in vars(routes).values() if isinstance(value, routes.Route) and value.methods]
SECRET = "a-secret-of-reports"
JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"
REPORT = json.dumps({"fingerprint": "0" * 12}).encode()
PROOF_KEY = proof_signer("ES256")
TARGET = "https://api.example"


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        reference, part = part["$ref"], DOCUMENT
        for key in reference.removeprefix("#/").split("/"):
            part = part[key.replace("~1", "/")]
    return part


def valid(value: object, schema: dict[str, Any]) -> None:
    Draft202012Validator(schema, registry=REGISTRY).validate(value)


@dataclass(frozen=True)
class Call:
    """A request, and the answer that it has to get."""

    status: int
    method: str
    target: str
    fields: tuple[str, ...] = ("Metadata: true",)
    body: bytes = b""
    names: tuple[str, ...] = ("default", "empty", "theirs", "bound")
    #: How often it was sent before.
    before: int = 0


def form(**parameters: str) -> bytes:
    return urlencode({"grant_type": "client_credentials", "client_secret": SECRET, **parameters}).encode()


def wanted(**changed: object) -> bytes:
    """The body of a request for a proof."""
    return json.dumps({"method": "GET", "url": f"{TARGET}/users", **changed}).encode()


M = "Metadata: true"
BEARER = f"Authorization: Bearer {SECRET}"
CALLS = [
    *(
        Call(status, method, target, fields)
        for method in ("GET", "HEAD")
        for name in ("/v1/tokens/default", "/v1/token")
        for status, target, fields in [
            (200, name, (M, BEARER)),
            (200, f"{name}?wait=1s&min_ttl=10s", (M, BEARER)),
            (200, name, (M, BEARER, "Accept: text/plain")),
            (400, f"{name}?wait=soon", (M, BEARER)),
            (401, name, (M,)),
            (401, name, (M, "Accept: text/plain")),
            (403, name, (BEARER,)),
            (406, name, (M, BEARER, "Accept: image/png")),
        ]
    ),
    *(
        Call(status, method, target, (M, BEARER))
        for method in ("GET", "HEAD")
        for status, target in [(404, "/v1/tokens/none"), (403, "/v1/tokens/theirs"), (503, "/v1/tokens/empty")]
    ),
    *(
        Call(status, method, "/v1/token", (M, BEARER), names=names)
        for method in ("GET", "HEAD")
        for status, names in [(404, ("theirs", "empty")), (503, ("empty",))]
    ),
    Call(202, "POST", "/v1/tokens/default/rejected", (M, BEARER, JSON), REPORT),
    Call(202, "POST", "/v1/tokens/default/rejected", (M, BEARER, JSON), b'{"access_token": "x"}'),
    Call(400, "POST", "/v1/tokens/default/rejected", (M, BEARER, JSON), b"{}"),
    Call(401, "POST", "/v1/tokens/default/rejected", (M, JSON), REPORT),
    Call(403, "POST", "/v1/tokens/theirs/rejected", (M, BEARER, JSON), REPORT),
    Call(404, "POST", "/v1/tokens/none/rejected", (M, BEARER, JSON), REPORT),
    Call(413, "POST", "/v1/tokens/default/rejected", (M, BEARER, JSON), b" " * 2000),
    Call(415, "POST", "/v1/tokens/default/rejected", (M, BEARER), REPORT),
    Call(200, "GET", "/v1/tokens/bound", (M, BEARER)),
    Call(406, "GET", "/v1/tokens/bound", (M, BEARER, "Accept: text/plain")),
    Call(200, "POST", "/v1/tokens/bound/proof", (M, BEARER, JSON), wanted()),
    Call(200, "POST", "/v1/tokens/bound/proof", (M, BEARER, JSON), wanted(nonce="a.b-c", method="M-SEARCH")),
    Call(400, "POST", "/v1/tokens/bound/proof", (M, BEARER, JSON), wanted(url="http://api.example/users")),
    Call(400, "POST", "/v1/tokens/default/proof", (M, BEARER, JSON), wanted()),
    Call(401, "POST", "/v1/tokens/bound/proof", (M, JSON), wanted()),
    Call(403, "POST", "/v1/tokens/bound/proof", (M, BEARER, JSON), wanted(url="https://evil.example/")),
    Call(403, "POST", "/v1/tokens/theirs/proof", (M, BEARER, JSON), wanted()),
    Call(404, "POST", "/v1/tokens/none/proof", (M, BEARER, JSON), wanted()),
    Call(406, "POST", "/v1/tokens/bound/proof", (M, BEARER, JSON, "Accept: text/plain"), wanted()),
    Call(413, "POST", "/v1/tokens/bound/proof", (M, BEARER, JSON), b" " * 2000),
    Call(415, "POST", "/v1/tokens/bound/proof", (M, BEARER), wanted()),
    Call(429, "POST", "/v1/tokens/bound/proof", (M, BEARER, JSON), wanted(), before=PER_SECOND),
    Call(503, "POST", "/v1/tokens/empty/proof", (M, BEARER, JSON), wanted()),
    Call(200, "POST", "/oauth2/token", (FORM,), form()),
    Call(400, "POST", "/oauth2/token", (FORM,), form(client_id="bound")),
    Call(400, "POST", "/oauth2/token", (FORM,), form(scope="admin")),
    Call(400, "POST", "/oauth2/token", (FORM,), form(grant_type="password")),
    Call(400, "POST", "/oauth2/token", (FORM,), form(client_id="theirs")),
    Call(400, "POST", "/oauth2/token", (FORM,), form(audience="x")),
    Call(400, "POST", "/oauth2/token", (JSON,), b"{}"),
    Call(401, "POST", "/oauth2/token", (FORM,), form(client_id="none")),
    Call(403, "POST", "/oauth2/token", (FORM, "Origin: null"), form()),
    Call(413, "POST", "/oauth2/token", (FORM,), b" " * 2000),
    Call(503, "POST", "/oauth2/token", (FORM,), form(client_id="empty")),
    Call(200, "GET", "/.well-known/oauth-authorization-server", ()),
    Call(403, "GET", "/.well-known/oauth-authorization-server", ("Via: 1.1 a",)),
    Call(200, "HEAD", "/.well-known/oauth-authorization-server", ()),
    Call(403, "HEAD", "/.well-known/oauth-authorization-server", ("Via: 1.1 a",)),
]
#: Waits for what only a slow client does; tests/handout/test_server.py has it.
SLOW = {(f"/v1/tokens/{{name}}/{what}", "post", "408") for what in ("rejected", "proof")} | {
    ("/oauth2/token", "post", "408")
}


@asynccontextmanager
async def desk(folder: Path, names: tuple[str, ...]) -> AsyncIterator[Desk]:
    """Has every token but `empty`; `theirs` is for another caller than ours, `bound` a DPoP token."""
    for name, secret in (("reports", SECRET), ("other", "a-secret-of-another")):
        (folder / name).write_text(secret)
    async with open_desk(
        *names,
        lists={"theirs": ("other",)},
        targets={"bound": (TARGET,)},
        callers={name: CallerSettings(secret_file=str(folder / name)) for name in ("reports", "other")},
        limits=Limits(body=1024),
    ) as one:
        for name in names:
            if name != "empty":
                one.put(name, proof_key=PROOF_KEY if name == "bound" else None, extra={"instance_url": TARGET})
        yield one


def operation(call: Call) -> tuple[str, dict[str, Any]]:
    path = call.target.partition("?")[0]
    template, item = next(
        (template, item)
        for template, item in DOCUMENT["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    )
    return template, item[call.method.lower()]


async def answer(desk: Desk, call: Call) -> Answer:
    async with wire(desk.addresses[0]) as one:
        head = get(call.target, *call.fields, method=call.method, body=call.body)
        for _ in range(call.before):
            await one.ask(head)
        await one.send(head)
        return await one.answer(body=call.method != "HEAD")


@pytest.mark.parametrize(
    "call", CALLS, ids=lambda call: f"{call.status} {call.method} {call.target} {call.fields}"[:90]
)
async def test_every_documented_answer_is_given_as_documented(call: Call, tmp_path: Path) -> None:
    async with desk(tmp_path, call.names) as one:
        got = await answer(one, call)
    assert got.status == call.status
    documented = resolve(operation(call)[1]["responses"][str(call.status)])
    for name, header in documented.get("headers", {}).items():
        valid(got.headers[name.lower()], resolve(header)["schema"])
    if call.method == "HEAD" or "content" not in documented:
        assert got.body == b""
        return
    media = got.headers["content-type"].partition(";")[0]
    schema = resolve(documented["content"][media]["schema"])
    valid(json.loads(got.body) if media == "application/json" else got.body.decode(), schema)
    asked = operation(call)[1].get("requestBody", {}).get("content", {}).get("application/json")
    if asked and got.status < 300:
        valid(json.loads(call.body), resolve(asked["schema"]))


def test_every_documented_answer_is_among_those_that_are_tried() -> None:
    documented = {
        (template, method, status)
        for template, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
        for status in operation["responses"]
    }
    tried = {(operation(call)[0], call.method.lower(), str(call.status)) for call in CALLS}
    assert documented - tried == SLOW


def test_every_route_is_documented_with_its_methods() -> None:
    documented = {
        template: {method.upper() for method in item if method != "parameters"}
        for template, item in DOCUMENT["paths"].items()
    }
    assert documented == {route.label: set(route.methods) for route in ROUTES}


def test_the_document_is_openapi() -> None:
    validate(DOCUMENT)


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    references = re.findall(r'\$ref: "([^"]+)"', FILE.read_text(encoding="utf-8"))
    assert all(resolve({"$ref": reference}) for reference in references)
    assert len(set(references)) > 15
