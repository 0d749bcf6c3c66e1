"""What docs/providers/keycloak.md says to click, clicked in Keycloak's admin console."""

import base64
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from browser.chromium import chromium, opened
from docs.pages import ROOT, blocks
from e2e.processes import run
from interop.provider import new_key
from keycloak.configured import a_grant, config_file
from keycloak.jwks_url import published
from keycloak.server import REALM, Client, Keycloak
from programs.installed import needed


@pytest.fixture
async def console(keycloak: Keycloak) -> AsyncIterator[Page]:
    """The admin console, at the clients of the realm."""
    async with (
        chromium(needed("chromium", "chromium")) as browser,
        opened(browser, f"http://{keycloak.address}/admin/", viewport={"width": 1300, "height": 1000}) as watched,
    ):
        page = watched.page
        await page.get_by_label("Username or email").fill("admin")
        await page.get_by_label("Password", exact=True).fill(keycloak.secret)
        await page.get_by_role("button", name="Sign In").click()
        await page.get_by_role("link", name="Manage realms").click()
        await page.get_by_role("link", name=REALM).click()
        await page.get_by_role("link", name="Clients").click()
        yield page


async def open_client(page: Page, server: Keycloak, client: Client) -> None:
    """Its settings; the list shows ten at a time."""
    await page.goto(f"http://{server.address}/admin/master/console/#/{REALM}/clients/{client.id}/settings")


async def switch_on(page: Page, name: str) -> None:
    """The input itself lies behind what is drawn in its place."""
    await page.get_by_label(name).check(force=True)


def first_configuration() -> str:
    """The one that the page begins with."""
    return blocks(ROOT / "docs/providers/keycloak.md", "yaml")[0].text


async def checked(file: Path) -> str:
    """What `check` prints."""
    _, said, _ = await run("check", "--config", str(file))
    return said.strip()


async def make_a_scope(page: Page, name: str) -> None:
    await page.get_by_role("link", name="Client scopes").click()
    await page.get_by_role("link", name="Create client scope").click()
    await page.get_by_role("textbox", name=re.compile("^Name")).fill(name)
    await switch_on(page, "Include in token scope")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("Client scope created").wait_for()


async def say_what_it_is_for(page: Page, audience: str) -> None:
    await page.get_by_role("tab", name="Mappers").click()
    await page.get_by_role("button", name="Configure a new mapper").click()
    await page.get_by_text("Audience", exact=True).click()
    await page.get_by_role("textbox", name=re.compile("^Name")).fill("audience")
    await page.get_by_label("Included Custom Audience").fill(audience)
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("Mapping successfully created").wait_for()


async def make_a_client(page: Page, client_id: str) -> None:
    await page.get_by_role("link", name="Clients").click()
    await page.get_by_role("link", name="Create client").click()
    await page.get_by_label("Client ID").fill(client_id)
    await page.get_by_role("button", name="Next").click()
    await switch_on(page, "Client authentication")
    await page.get_by_label("Standard flow").uncheck()
    await page.get_by_label("Service account roles").check()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_role("button", name="Save").click()


async def choose_signed_jwt(page: Page) -> None:
    await page.get_by_role("tab", name="Credentials").click()
    await page.get_by_label("Client Authenticator").click()
    await page.get_by_role("option", name="Signed JWT", exact=True).click()
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name="Yes").click()


async def import_keys(page: Page, jwks: Path) -> None:
    await page.get_by_role("tab", name="Keys").click()
    await page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Archive format").click()
    await page.get_by_role("option", name="JSON Web Key Set").click()
    await dialog.locator("input[type=file]").set_input_files(jwks)
    await dialog.get_by_role("button", name="Import").click()
    await page.get_by_text("New certificate imported").wait_for()


async def add_the_scope(page: Page, name: str) -> None:
    await page.get_by_role("tab", name="Client scopes").click()
    await page.get_by_role("button", name="Add client scope").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("row", name=name).get_by_role("checkbox").check()
    await dialog.get_by_role("button", name="Add", exact=True).click()
    async with page.expect_response(lambda answer: answer.request.method == "PUT"):
        await page.get_by_role("menuitem", name="Optional").click()


async def test_a_client_made_as_the_page_says_gets_its_token(keycloak: Keycloak, console: Page, tmp_path: Path) -> None:
    file, jwks = tmp_path / "config.yaml", tmp_path / "jwks.json"
    await run("keygen", "--algorithm", "ES256", "--kid", "reports-2026-11", "--out", str(tmp_path / "private-key.jwk"))
    file.write_text(first_configuration().replace("https://sso.example.com/realms/acme", keycloak.issuer))
    _, printed, _ = await run("jwks", "--config", str(file))
    jwks.write_text(printed)
    await make_a_scope(console, "invoices-read")
    await say_what_it_is_for(console, "https://api.example.com")
    await make_a_client(console, "reports")
    await choose_signed_jwt(console)
    await import_keys(console, jwks)
    await add_the_scope(console, "invoices-read")
    assert "All good." in await checked(file)
    async with a_grant(file) as asker:
        payload = (await asker.fetch()).access_token.split(".")[1]
    assert "https://api.example.com" in json.loads(base64.urlsafe_b64decode(payload + "=="))["aud"]


async def test_a_client_is_told_where_its_keys_are_published(keycloak: Keycloak, console: Page) -> None:
    client = keycloak.client(use_jwks_string="false", jwks_string="")
    file = config_file(keycloak, client)
    assert "kid_refused" in await checked(file)
    with published(client.key) as site:
        await open_client(console, keycloak, client)
        await console.get_by_role("tab", name="Keys").click()
        await switch_on(console, "Use JWKS URL")
        await console.get_by_label("JWKS URL", exact=True).fill(site.url)
        await console.get_by_role("button", name="Save").click()
        await console.get_by_text("successfully updated").wait_for()
        assert "All good." in await checked(file)


async def test_a_client_is_made_to_need_proofs(keycloak: Keycloak, console: Page) -> None:
    client = keycloak.client(keys=[new_key("ES256")])
    await open_client(console, keycloak, client)
    await switch_on(console, "Require DPoP bound tokens")
    await console.get_by_role("button", name="Save").first.click()
    await console.get_by_text("successfully updated").wait_for()
    assert "dpop_required" in await checked(config_file(keycloak, client))
    dpop = {"targets": ["https://api.example.com"]}
    assert "All good." in await checked(config_file(keycloak, client, dpop=dpop))
