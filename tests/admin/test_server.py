"""The admin listener, asked over real sockets."""

import re
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from broker.admin.health import Health
from broker.admin.server import ROUTES, Admin, _is_usual_loopback
from broker.admin.status import Sources
from broker.admin.status.history import History
from broker.core.diagnosis import Diagnosis
from broker.core.errors import RefusalError
from broker.core.events import Event, Refused, Served
from broker.core.settings import Admin as AdminSettings
from broker.core.settings import Api, Assertion, ClientSettings, KeySettings, Settings, TokenSettings
from broker.core.tokens import Token
from broker.http_server import Listener
from broker.providers.diagnose import diagnose
from broker.refresh.store import Store
from raw_http import Answer, ask, get, wire

REFUSED = diagnose(RefusalError(401, "invalid_client", "who are you"))
PUBLIC = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "abc", "kid": "one"}]}


def outward_address() -> str | None:
    """An address of this machine that is not loopback, without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(sock.getsockname()[0])


class Scene:
    """An admin listener over a store with one token `users`, not held yet."""

    def __init__(self, *, status: Any = "loopback", allowed_hosts: tuple[str, ...] = ()) -> None:
        client = ClientSettings(
            client_id="id", private_keys=(KeySettings(file="/key"),), assertion=Assertion(audience="issuer")
        )
        self.settings = Settings(
            api=Api(allowed_hosts=allowed_hosts),
            admin=AdminSettings(status=status),
            clients={"okta": client},
            tokens={"users": TokenSettings(client="okta")},
        )
        self.store = Store(self.settings.tokens, lambda: 1000.0)
        self.failures: dict[str, Diagnosis] = {}
        self.public: Any = PUBLIC
        self.registry = CollectorRegistry()
        Gauge("some_metric", "Some.", registry=self.registry).set(1)
        self.told: list[Event] = []
        self.address = ""

    @asynccontextmanager
    async def listening(self, address: str = "127.0.0.1:0") -> AsyncIterator["Scene"]:
        health = Health(
            self.settings.tokens,
            self.store,
            failure=self.failures.get,
            alive=lambda: True,
            startup_wait=60.0,
            now=lambda: 1000.0,
        )
        sources = Sources(
            settings=self.settings,
            health=health,
            store=self.store,
            history=History(self.settings.tokens, now=lambda: 1000.0),
            keys={"okta": tuple},
            endpoints={"okta": lambda: None},
            now=lambda: 1000.0,
            wall=lambda: 1000.0,
            host="pod",
        )
        admin = Admin(
            sources,
            registry=self.registry,
            public_jwks={"okta": lambda: self.public},
            observe=self.told.append,
        )
        listener = Listener("admin.listen", [address], admin.handle, loopback_only=False, observe=self.told.append)
        async with listener:
            self.address = listener.addresses[0]
            yield self

    async def get(self, target: str, *fields: str, method: str = "GET", host: str = "localhost") -> Answer:
        return await ask(self.address, get(target, *fields, method=method, host=host))

    def hold(self) -> None:
        token = Token(access_token="t", token_type="Bearer", scope="", issued_at=1000.0, lifetime=300.0)
        self.store.put("users", token)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with Scene().listening() as one:
        yield one


async def test_probes_follow_the_store(scene: Scene) -> None:
    before = [(await scene.get(path)).status for path in ("/livez", "/startupz", "/readyz", "/readyz/users")]
    scene.hold()
    after = [(await scene.get(path)).status for path in ("/livez", "/startupz", "/readyz", "/readyz/users")]
    assert before == [200, 503, 503, 503]
    assert after == [200, 200, 200, 200]


async def test_the_body_of_a_failed_probe_names_each_token_and_its_reason(scene: Scene) -> None:
    scene.failures["users"] = REFUSED
    answer = await scene.get("/readyz")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.decode().startswith("not ready\nusers: client_refused\n")


async def test_an_unknown_token_is_not_found(scene: Scene) -> None:
    assert (await scene.get("/readyz/nobody")).status == 404
    assert (await scene.get("/readyz/")).status == 404


async def test_head_is_answered_like_get_without_a_body(scene: Scene) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/clients/okta/jwks.json", "/"):
        got = await scene.get(path)
        async with wire(scene.address) as connection:
            await connection.send(get(path, "Connection: close", method="HEAD"))
            head = await connection.answer(body=False)
            assert await connection.rest() == b""
        assert (head.status, head.headers["content-type"]) == (got.status, got.headers["content-type"])


async def test_other_methods_are_told_which_ones_there_are(scene: Scene) -> None:
    for method in ("POST", "DELETE", "OPTIONS"):
        answer = await scene.get("/metrics", method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_an_unknown_path_names_the_ones_there_are(scene: Scene) -> None:
    answer = await scene.get("/healthz")
    assert answer.status == 404
    assert b"/readyz" in answer.body


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/nowhere", "/"])
async def test_no_answer_is_stored_or_sniffed(scene: Scene, path: str) -> None:
    answer = await scene.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not any(name.startswith("access-control-") for name in answer.headers)


@pytest.mark.parametrize("host", ["localhost:7181", "127.0.0.1", "[::1]:7181", "10.1.2.3:7181", "[2001:db8::1]"])
async def test_addresses_and_localhost_are_accepted_as_host(scene: Scene, host: str) -> None:
    assert (await scene.get("/livez", host=host)).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "2130706433"])
async def test_a_name_that_could_be_rebound_is_refused(scene: Scene, host: str) -> None:
    answer = await scene.get("/livez", host=host)
    assert answer.status == 403
    assert b"api.allowed_hosts" in answer.body
    assert b"evil" not in answer.body
    assert Refused(reason="host") in scene.told


async def test_two_host_headers_are_refused(scene: Scene) -> None:
    assert (await scene.get("/livez", "Host: evil.example")).status in (400, 403)


async def test_an_allowed_host_is_accepted_in_any_case() -> None:
    async with Scene(allowed_hosts=("Broker.Internal",)).listening() as scene:
        assert (await scene.get("/livez", host="broker.INTERNAL:7181")).status == 200


async def test_a_url_in_the_request_line_is_refused(scene: Scene) -> None:
    answer = await scene.get("http://evil.example/metrics")
    assert answer.status == 403
    assert Refused(reason="target") in scene.told


async def test_metrics_come_as_prometheus_text(scene: Scene) -> None:
    answer = await scene.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert [family.name for family in parse_text(answer.body.decode())] == ["some_metric"]


async def test_names_in_the_query_select_metrics(scene: Scene) -> None:
    Gauge("other_metric", "Other.", registry=scene.registry).set(2)
    answer = await scene.get("/metrics?name[]=other_metric&name%5B%5D=no_such_metric")
    assert [family.name for family in parse_text(answer.body.decode())] == ["other_metric"]


async def test_metrics_come_as_openmetrics_on_request(scene: Scene) -> None:
    # What Prometheus 3 sends.
    accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4"
    answer = await scene.get("/metrics", f"Accept: {accept}", "Accept-Encoding: gzip")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = list(parse_openmetrics(answer.body.decode()))  # type: ignore[no-untyped-call]  # it is not annotated
    assert [family.name for family in families] == ["some_metric"]


async def test_a_version_that_is_no_number_is_not_acceptable(scene: Scene) -> None:
    assert (await scene.get("/metrics", "Accept: text/plain;version=latest")).status == 406


@examples(max_examples=50)
@given(
    accept=st.lists(
        st.builds(
            "{}{}".format,
            st.sampled_from(["text/plain", "application/openmetrics-text", "*/*", ""]),
            st.lists(
                st.sampled_from([";version=1", ";version=0.0.4", ";version=x.y", ";q=a", ";escaping=z", ";", "="])
            ).map("".join),
        ),
        max_size=3,
    )
)
async def test_no_accept_header_is_a_bug(accept: list[str]) -> None:
    async with Scene().listening() as scene:
        assert (await scene.get("/metrics", f"Accept: {','.join(accept)}")).status in (200, 406)


async def test_public_keys_are_served_for_a_while(scene: Scene) -> None:
    answer = await scene.get("/clients/okta/jwks.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.json == PUBLIC


async def test_an_unknown_client_has_no_keys(scene: Scene) -> None:
    assert (await scene.get("/clients/nobody/jwks.json")).status == 404


async def test_no_key_set_is_served_while_no_key_is_loaded(scene: Scene) -> None:
    scene.public = {"keys": []}
    answer = await scene.get("/clients/okta/jwks.json")
    assert answer.status == 503
    assert answer.headers["cache-control"] == "no-store"
    assert b"key_refused" in answer.body


async def test_loopback_peers_read_the_texts_of_failures(scene: Scene) -> None:
    scene.failures["users"] = REFUSED
    for path in ("/readyz", "/readyz/users", "/startupz"):
        assert REFUSED.fix.encode() in (await scene.get(path)).body
    assert (await scene.get("/")).status == 200


BY_A_PROXY = pytest.mark.parametrize(
    "field",
    [
        "X-Forwarded-For: 10.0.0.9",
        "x-forwarded-proto: http",
        "Forwarded: for=10.0.0.9",
        "Via: 1.1 mesh",
        "X-Real-IP: 10.0.0.9",
        "X-Envoy-External-Address: 10.0.0.9",
        "True-Client-IP: 10.0.0.9",
        "cf-connecting-ip: 10.0.0.9",
        "x-envoy-internal: true",
    ],
)


@BY_A_PROXY
async def test_who_comes_through_a_proxy_is_no_loopback_peer(scene: Scene, field: str) -> None:
    scene.failures["users"] = REFUSED
    assert REFUSED.fix.encode() not in (await scene.get("/readyz", field)).body


async def test_others_get_names_and_codes_only() -> None:
    if not (address := outward_address()):
        pytest.skip("platform: no address besides loopback")
    async with Scene().listening(f"{address}:0") as scene:
        scene.failures["users"] = REFUSED
        answer = await scene.get("/readyz", host=address)
        assert answer.body == b"not ready\nusers: client_refused\n"
        assert (await scene.get("/", host=address)).status == 403


def test_an_ipv4_peer_of_a_dual_stack_socket_is_ours_too() -> None:
    # The listener binds each family by itself; whoever hands it a dual-stack socket gets the same.
    assert _is_usual_loopback("::ffff:127.0.0.1")
    assert not _is_usual_loopback("::ffff:10.0.0.1")
    assert _is_usual_loopback("::1")
    assert not _is_usual_loopback("127.0.0.6")


async def test_texts_can_be_kept_from_everyone() -> None:
    async with Scene(status="off").listening() as scene:
        scene.failures["users"] = REFUSED
        assert REFUSED.fix.encode() not in (await scene.get("/readyz")).body
        assert (await scene.get("/")).status == 403


async def test_texts_can_be_shown_to_everyone() -> None:
    async with Scene(status="any").listening() as scene:
        scene.failures["users"] = REFUSED
        assert REFUSED.fix.encode() in (await scene.get("/readyz", "X-Forwarded-For: 10.0.0.9")).body


#: What Chromium sends.
BROWSER = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


async def test_browsers_get_a_page_and_curl_gets_text(scene: Scene) -> None:
    page, plain, bare = [await scene.get("/", *fields) for fields in ((BROWSER,), ("Accept: */*",), ())]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.body.startswith(b"<!doctype html>")
    assert plain.headers["content-type"] == bare.headers["content-type"] == "text/plain; charset=utf-8"
    assert plain.body == bare.body
    assert plain.body.decode().startswith("○ users is being fetched (starting)\n")
    assert {page.headers["vary"], plain.headers["vary"]} == {"Accept"}


async def test_the_page_may_load_nothing_and_be_used_by_nobody_else(scene: Scene) -> None:
    page = await scene.get("/", BROWSER)
    directives = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    hashes = {name: directives.pop(name) for name in ("style-src", "script-src")}
    assert directives == {
        "default-src": "'none'",
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    for element, name in (("style", "style-src"), ("script", "script-src")):
        (inside,) = re.findall(rb"<%s>(.*?)</%s>" % (element.encode(), element.encode()), page.body, re.DOTALL)
        assert hashes[name] == f"'sha256-{b64encode(sha256(inside).digest()).decode()}'"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["cross-origin-resource-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"


@BY_A_PROXY
async def test_the_page_is_for_loopback_peers(scene: Scene, field: str) -> None:
    answer = await scene.get("/", BROWSER, field)
    assert answer.status == 403
    assert b"admin.status" in answer.body


async def test_every_request_is_told_under_a_route_of_the_closed_set(scene: Scene) -> None:
    targets = [
        "/",
        "/livez",
        "/startupz",
        "/readyz",
        "/readyz/users?x=1",
        "/metrics",
        "/clients/okta/jwks.json",
        "/x/y",
    ]
    for target in targets:
        await scene.get(target)
    served = [event for event in scene.told if isinstance(event, Served)]
    assert [event.route for event in served] == list(ROUTES)
    assert [event.code for event in served] == [200, 200, 503, 503, 503, 200, 200, 404]
    assert {event.seconds for event in served} == {None}


async def test_a_bug_behind_a_page_is_counted_as_a_500(scene: Scene) -> None:
    scene.public = None
    assert (await scene.get("/clients/okta/jwks.json")).status == 500
    assert Served(route="/clients/{name}/jwks.json", code=500, seconds=None) in scene.told


async def test_the_list_of_paths_is_the_list_of_routes(scene: Scene) -> None:
    named = re.findall(r"/\S+", (await scene.get("/")).body.decode().splitlines()[-1])
    assert named == [route for route in ROUTES if len(route) > 1 and route != "other"]
