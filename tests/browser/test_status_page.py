"""The status page in a real browser."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey
from playwright.async_api import Browser, expect

from broker.app.compose import Broker, running
from broker.core.errors import NetworkError, RefusalError
from broker.core.settings import Admin, Api, Assertion, ClientSettings, KeySettings, Settings, TokenSettings
from broker.devserver import DevServer, Fault
from browser.chromium import PATIENCE, chromium, opened
from browser.pictures import five_tokens, trouble
from programs.installed import needed
from status_scenes import Scene, a_client, one_token

# One browser for all: starting it takes longer than most of these tests.
pytestmark = pytest.mark.asyncio(loop_scope="module")
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
DOWN = NetworkError("connect", "idp.example:443", "Connection refused")
expect.set_options(timeout=PATIENCE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium(needed("chromium", "chromium")) as one:
        yield one


def many_tokens(count: int = 200) -> Scene:
    scene = Scene(
        {"okta": a_client()},
        {f"tenant-{i:03}-api": TokenSettings(client="okta", scopes=("okta.users.read",)) for i in range(count)},
    )
    for i, name in enumerate(scene.settings.tokens):
        scene.hold(name, age=i * 11)
    return scene


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_shows_every_token_and_client_in_both_themes(browser: Browser, tmp_path: Path, scheme: str) -> None:
    scene = await trouble(tmp_path)
    async with scene.listening() as url, opened(browser, url, color_scheme=scheme) as watched:
        page = watched.page
        await expect(page).to_have_title("✖ not ready · token-broker")
        await expect(page.get_by_role("heading", level=1)).to_have_text("1 of 5 tokens is missing: group-sync")
        for name in (*scene.settings.tokens, *scene.settings.clients):
            await expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        await expect(page.get_by_role("meter", name="Time left")).to_have_count(5)
        for role in ("banner", "main", "contentinfo"):
            await expect(page.get_by_role(role)).to_be_visible()
        await expect(page.get_by_text("Reload this page")).to_be_hidden()
        background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(json.loads(f"[{background[4:-1]}]")) < 3 * 128) == (scheme == "dark")
        assert watched.complaints == []
        assert await watched.violations() == []


async def test_the_length_of_the_bar_is_the_time_left(browser: Browser) -> None:
    scene = one_token()
    scene.hold("users-api", age=900)
    async with scene.listening() as url, opened(browser, url) as watched:
        track = await watched.page.locator(".meter .track").bounding_box()
        left = await watched.page.locator(".meter .left").bounding_box()
        assert track
        assert left
        assert left["width"] / track["width"] == pytest.approx(0.75, abs=0.01)
        assert left["x"] == track["x"]


@pytest.mark.parametrize("what", ["trouble", "many", "long"])
async def test_a_phone_needs_no_scrolling_sideways(browser: Browser, tmp_path: Path, what: str) -> None:
    if what == "long":
        name = "a" * 63
        scene = Scene(
            {name: a_client(issuer=f"https://{'idp' * 30}.example", client_id="c" * 200)},
            {name: TokenSettings(client=name, scopes=("s" * 200,), required=False)},
        )
        scene.fail(name, RefusalError(400, "e" * 39, "no-spaces-" * 12))
    else:
        scene = await trouble(tmp_path) if what == "trouble" else many_tokens()
    async with scene.listening() as url, opened(browser, url, **PHONE) as watched:
        for details in await watched.page.locator("summary").all():
            if what != "many":
                await details.click()
        assert await watched.overflows() == 0
        await watched.page.set_viewport_size({"width": 320, "height": 700})
        assert await watched.overflows() == 0


async def test_it_is_complete_without_javascript(browser: Browser, tmp_path: Path) -> None:
    scene = await five_tokens(tmp_path)
    async with scene.listening() as url, opened(browser, url, java_script_enabled=False) as watched:
        page = watched.page
        await expect(page.get_by_role("heading", level=1)).to_have_text("All 5 tokens are good")
        await expect(page.get_by_role("meter")).to_have_count(5)
        await page.locator("summary").first.click()
        await expect(page.get_by_text("okta.users.read", exact=True)).to_be_visible()
        await expect(page.get_by_text("Reload this page to see what has changed")).to_be_visible()
        assert watched.asked == [url]


async def test_it_asks_for_nothing_but_itself(browser: Browser, tmp_path: Path) -> None:
    scene = await five_tokens(tmp_path)
    async with scene.listening() as url, opened(browser, url) as watched:
        async with watched.page.expect_response(url):
            pass
        assert set(watched.asked) == {url}
        assert len(watched.asked) >= 2


async def test_a_text_from_outside_does_nothing_but_stand_there(browser: Browser) -> None:
    evil = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    scene = one_token(scopes=("read",))
    scene.hold("users-api", scope=f"read {evil.replace(' ', '/')}")
    async with scene.listening() as url, opened(browser, url) as watched:
        # Both ways in: with the page, and with what the script takes over.
        for turn in range(2):
            scene.fail("users-api", RefusalError(400, "invalid_scope", f"{turn} {evil}"))
            await expect(watched.page.get_by_text(f"invalid_scope: {turn} {evil}")).to_be_visible()
        assert watched.complaints == []
        assert await watched.violations() == []
        assert await watched.page.locator("img").count() == 0


async def test_a_script_that_got_in_would_not_run(browser: Browser) -> None:
    async with one_token().listening() as url, opened(browser, url) as watched:
        await watched.page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=window.got=1 style=color:red>');"
            "const script = document.createElement('script'); script.textContent = 'window.got = 2';"
            "document.body.append(script)"
        )
        await watched.page.wait_for_timeout(100)
        assert await watched.page.evaluate("window.got") is None
        assert {"script-src-elem", "script-src-attr", "style-src-attr"} <= set(await watched.violations())


async def test_what_a_person_does_on_the_page_outlives_an_update(browser: Browser) -> None:
    scene = many_tokens(60)
    async with scene.listening() as url, opened(browser, url) as watched:
        page = watched.page
        last = page.locator("li", has_text="tenant-059-api")
        await last.locator("summary").click()
        await last.locator("summary").focus()
        await page.evaluate(
            "getSelection().selectAllChildren(document.querySelector('#token-tenant-059-api h3')); scrollBy(0, -40)"
        )
        before = await page.evaluate("document.querySelector('#token-tenant-059-api').getBoundingClientRect().top")
        # The first token begins to fail: what is above grows.
        scene.time += 600
        scene.fail("tenant-000-api", DOWN)
        await expect(page.get_by_text("connect_failed")).to_have_count(1)
        await expect(last.get_by_text("okta.users.read")).to_be_visible()
        assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"
        assert await page.evaluate("String(getSelection())") == "tenant-059-api"
        after = await page.evaluate("document.querySelector('#token-tenant-059-api').getBoundingClientRect().top")
        assert after == pytest.approx(before, abs=2)


async def test_it_says_when_nobody_answers_and_goes_on_when_somebody_does(browser: Browser) -> None:
    scene = one_token()
    scene.hold("users-api")
    async with AsyncExitStack() as up, AsyncExitStack() as stack:
        url = await up.enter_async_context(scene.listening())
        page = (await stack.enter_async_context(opened(browser, url))).page
        gone, icon = page.get_by_role("alert"), page.locator("#icon")
        await expect(page).to_have_title("● ready · token-broker")
        await expect(gone).to_be_hidden()
        good = await icon.get_attribute("href")
        assert good
        await up.aclose()
        await expect(gone).to_have_text(re.compile(r"^No answer from the broker since \d\d:\d\d:\d\d UTC\."))
        await expect(page).to_have_title("✖ no answer · token-broker")
        await expect(icon).not_to_have_attribute("href", good)
        await expect(page.get_by_role("heading", name="users-api is good")).to_be_visible()
        scene.fail("users-api", DOWN)
        await up.enter_async_context(scene.listening(scene.address))
        await expect(gone).to_be_hidden()
        await expect(page).to_have_title("▲ ready · token-broker")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("but its refresh fails")


async def test_it_says_when_it_is_refused(browser: Browser) -> None:
    scene = one_token()
    async with AsyncExitStack() as up, AsyncExitStack() as stack:
        url = await up.enter_async_context(scene.listening())
        page = (await stack.enter_async_context(opened(browser, url))).page
        await up.aclose()
        closed = Scene(dict(scene.settings.clients), dict(scene.settings.tokens), status="off")
        await up.enter_async_context(closed.listening(scene.address))
        await expect(page.get_by_role("alert")).to_contain_text("It answers with status 403 since")


async def test_it_rests_while_nobody_looks(browser: Browser) -> None:
    async with one_token().listening() as url, opened(browser, url) as watched:
        page = watched.page
        turn = (
            "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        await page.evaluate(turn.format("true"))
        await page.wait_for_timeout(500)  # for what was under way
        asked = len(watched.asked)
        await page.wait_for_timeout(5_000)
        assert len(watched.asked) == asked
        async with page.expect_response(url, timeout=1_500):  # at once, not after the pause
            await page.evaluate(turn.format("false"))


async def test_after_an_upgrade_it_loads_the_new_page(browser: Browser) -> None:
    async with one_token().listening() as url, opened(browser, url) as watched:
        async with watched.page.expect_event("load"):
            await watched.page.evaluate("document.documentElement.dataset.build = 'older'")
        assert await watched.page.evaluate("document.documentElement.dataset.build") != "older"


async def test_the_keyboard_gets_everywhere_and_shows_where_it_is(browser: Browser) -> None:
    async with one_token().listening() as url, opened(browser, url) as watched:
        page, passed = watched.page, []
        for _ in range(20):
            await page.keyboard.press("Tab")
            tag, outline = await page.evaluate(
                "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
            )
            if tag == "BODY":
                break
            passed.append(tag)
            assert outline == "solid"
        assert passed == ["SUMMARY", "A", "A", "A", "A", "A", "A"]


@asynccontextmanager
async def a_broker(folder: Path, server: DevServer) -> AsyncIterator[Broker]:
    """A real one, with the token `t` of `server`."""
    key = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
    file = folder / "key.jwk"
    file.write_text(json.dumps(key.as_dict(private=True)))
    server.register("c", {"keys": [dict(key.as_dict(private=False))]}, {"read"})
    client = ClientSettings(
        client_id="c",
        issuer=server.issuer,
        private_keys=(KeySettings(file=str(file)),),
        assertion=Assertion(audience="token_endpoint"),
    )
    settings = Settings(
        api=Api(listen=("127.0.0.1:0",)),
        admin=Admin(listen=("127.0.0.1:0",)),
        clients={"c": client},
        tokens={"t": TokenSettings(client="c", scopes=("read",))},
    )
    async with running(settings) as broker:
        yield broker


async def test_it_follows_a_real_broker_through_refresh_failure_and_recovery(browser: Browser, tmp_path: Path) -> None:
    async with DevServer(lifetime=4) as server, a_broker(tmp_path, server) as broker:
        assert await broker.store.wait("t", 5)
        async with opened(browser, f"http://{broker.admin.addresses[0]}/") as watched:
            page = watched.page
            headline = page.get_by_role("heading", level=1)
            expiry = page.locator("#token-t .time time")
            await expect(headline).to_have_text("t is good")
            await expect(page.get_by_text(f"{server.issuer}/oauth2/v1/token")).to_be_visible()
            await expect(page.get_by_text("k1", exact=True)).to_be_visible()
            first = await expiry.get_attribute("datetime")
            assert first
            await expect(expiry).not_to_have_attribute("datetime", first)
            server.faults.set(Fault(status=503))
            await expect(headline).to_have_text("t has expired")
            await expect(page.get_by_text("server_error", exact=True)).to_be_visible()
            await expect(page.get_by_text(re.compile(r"^failing for \d+ s, \d+ attempts$"))).to_be_visible()
            server.faults.clear()
            await expect(headline).to_have_text("t is good")
            await expect(page.get_by_text("server_error", exact=True)).to_have_count(0)
            assert watched.complaints == []
            assert await watched.violations() == []
