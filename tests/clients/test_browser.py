"""A web page cannot get a token, in a real browser: not by fetch, form, embedding, nor by a name that it rebinds.

The broker is as open as it can be made, so that nothing but the guard stands in the way: the token is for anonymous,
and the token endpoint needs no secret.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, Response, async_playwright

from browser.chromium import FLAGS, PATIENCE
from clients.stage import Stage, staged
from programs.installed import needed

#: Names of the attacker that lead here, as after a rebinding of DNS.
REBOUND = "--host-resolver-rules=MAP *.example 127.0.0.1"
EVIL = "evil.example"
PERMISSIVE = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
#: What `fetch` of a URL comes to: status and text, or the type of the error.
FETCH = """async ([url, options]) => {
  try {
    const answer = await fetch(url, options);
    return [answer.status, await answer.text()];
  } catch (error) {
    return [0, error.name];
  }
}"""
EMBED = """([tag, url]) => new Promise((resolve) => {
  const element = document.createElement(tag);
  element.onload = () => resolve("load");
  element.onerror = () => resolve("error");
  element.src = url;
  document.body.append(element);
})"""
#: Submits a form by POST; a type of `text/plain` is how a form may write JSON.
FORM = """([url, type, fields]) => {
  const form = document.createElement("form");
  Object.assign(form, {method: "POST", action: url, enctype: type});
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement("input");
    Object.assign(input, {name, value});
    form.append(input);
  }
  document.body.append(form);
  form.submit();
}"""
ANSWER = {"headers": {"Metadata": "true"}}
GRANT = {"grant_type": "client_credentials", "client_id": "users-api"}


@dataclass
class Attack:
    """A page of the attacker's, and what the broker answered to whatever that caused."""

    stage: Stage
    page: Page
    #: Of a server that is as careless as the broker is careful.
    careless: str
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)

    async def fetch(self, url: str, **options: Any) -> tuple[int, str]:
        status, text = await self.page.evaluate(FETCH, [url, options])
        return status, text

    async def embed(self, tag: str, url: str) -> str:
        return str(await self.page.evaluate(EMBED, [tag, url]))

    async def submit(self, url: str, enctype: str = "application/x-www-form-urlencoded", **fields: str) -> Response:
        async with self.page.expect_navigation() as navigation:
            await self.page.evaluate(FORM, [url, enctype, fields])
        return await navigation.value

    async def failed(self, *reasons: str) -> None:
        """No token was handed out, and no answer was for pages to read; `reasons` are among those of the refusals."""
        token = await self.stage.current()
        assert await self.stage.sample("token_broker_handouts_total", token="users-api", caller="anonymous") == 1
        for reason in reasons:
            assert await self.stage.sample("token_broker_requests_refused_total", reason=reason) >= 1, reason
        assert token not in await self.page.content()
        for status, headers in self.answers:
            assert 400 <= status < 500
            assert not [name for name in headers if name.startswith("access-control-")]

    async def refusals(self) -> float:
        """How many requests for the token were answered 403."""
        return await self.stage.sample("token_broker_requests_total", route="/v1/tokens/{name}", code="403")

    def note(self, response: Response) -> None:
        if response.url.startswith(self.stage.broker):
            self.answers.append((response.status, response.headers))


async def careless(request: web.BaseRequest) -> web.Response:
    """The attacker's page, and beside it what a broker without a guard would be."""
    if request.path == "/token":
        return web.Response(text='{"access_token": "careless"}', headers=PERMISSIVE)
    return web.Response(text="<!doctype html><title>A page</title><body>", content_type="text/html")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    program = needed("chromium", "chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*FLAGS, REBOUND])
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture
async def attack(tmp_path: Path) -> AsyncIterator[Attack]:
    runner = web.ServerRunner(web.Server(careless))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with staged(tmp_path, open_endpoint=True) as stage, chromium() as browser:
            page = await browser.new_page()
            page.set_default_timeout(PATIENCE)
            one = Attack(stage, page, f"http://127.0.0.1:{port}")
            page.on("response", one.note)
            await page.goto(f"http://{EVIL}:{port}/")
            yield one
    finally:
        await runner.cleanup()


async def test_what_such_a_page_may_do_is_enough_to_read_from_a_careless_server(attack: Attack) -> None:
    assert await attack.fetch(f"{attack.careless}/token", **ANSWER) == (200, '{"access_token": "careless"}')


async def test_a_page_cannot_fetch_a_token(attack: Attack) -> None:
    for path in ("/v1/token", "/v1/tokens/users-api", "/oauth2/token", "/.well-known/oauth-authorization-server"):
        assert await attack.fetch(attack.stage.broker + path) == (0, "TypeError")
        assert await attack.fetch(attack.stage.broker + path, mode="no-cors", credentials="include") == (0, "")
    await attack.failed("browser")


async def test_a_page_cannot_send_the_header_because_the_preflight_is_refused(attack: Attack) -> None:
    assert await attack.fetch(f"{attack.stage.broker}/v1/tokens/users-api", **ANSWER) == (0, "TypeError")
    await attack.failed("browser")
    assert await attack.refusals() == 1, "the preflight, and nothing after it"


async def test_a_page_cannot_have_a_form_or_a_script_post_for_it(attack: Attack) -> None:
    form = await attack.submit(f"{attack.stage.broker}/oauth2/token", **GRANT)
    assert (form.status, json.loads(await form.text())["error"]) == (403, "forbidden")
    await attack.page.go_back()
    plain = await attack.submit(
        f"{attack.stage.broker}/v1/tokens/users-api/rejected", "text/plain", **{'{"fingerprint": "': '0123456789ab"}'}
    )
    assert plain.status == 403
    await attack.page.go_back()
    body = "grant_type=client_credentials&client_id=users-api"
    typed = {"Content-Type": "application/x-www-form-urlencoded"}
    for mode in ("cors", "no-cors"):
        found = await attack.fetch(
            f"{attack.stage.broker}/oauth2/token", method="POST", body=body, headers=typed, mode=mode
        )
        assert found[1] in ("TypeError", "")
    await attack.failed("browser")


@pytest.mark.parametrize("tag", ["img", "script", "iframe"])
async def test_a_page_cannot_embed_a_token(attack: Attack, tag: str) -> None:
    await attack.embed(tag, f"{attack.stage.broker}/v1/tokens/users-api")
    await attack.failed("browser")
    assert await attack.refusals() == 1
    frames = [await frame.content() for frame in attack.page.frames]
    assert not [frame for frame in frames if "access_token" in frame]


async def test_a_page_cannot_reach_it_by_a_name_of_its_own_that_leads_to_loopback(attack: Attack) -> None:
    port = attack.stage.broker.rpartition(":")[2]
    own = f"http://{EVIL}:{port}"
    await attack.page.goto(f"{own}/")
    assert await attack.page.evaluate("location.origin") == own
    for path in ("/v1/token", "/v1/tokens/users-api", "/.well-known/oauth-authorization-server"):
        status, text = await attack.fetch(path, **ANSWER)
        assert (status, json.loads(text)["reason"]) == (403, "host")
    status, text = await attack.fetch("/oauth2/token", method="POST", body="grant_type=client_credentials")
    assert (status, json.loads(text)["reason"]) == (403, "host")
    await attack.failed("host")


async def test_a_page_of_the_same_machine_is_a_page_too(attack: Attack) -> None:
    await attack.page.goto(f"{attack.careless}/")
    assert await attack.fetch(f"{attack.stage.broker}/v1/tokens/users-api", **ANSWER) == (0, "TypeError")
    await attack.embed("script", f"{attack.stage.broker}/v1/tokens/users-api")
    await attack.failed("browser")
