"""The certificate of a key, on the status page."""

import html
from pathlib import Path

import pytest

from broker.admin.status import html as page
from broker.admin.status import sentences, text
from broker.core.settings import KeySettings, TokenSettings
from certificates import certificate_of, pem_of
from key_forms import native, pem
from status_scenes import NOW, WALL_AHEAD, Scene, a_client

DAY = 86400.0
#: By the clock on the wall, which the page tells.
AT = NOW + WALL_AHEAD


async def shown(folder: Path, left: float) -> Scene:
    """A client whose certificate has lived for a year and has `left` seconds to go."""
    key = native("P-256")
    (folder / "key.pem").write_bytes(pem(key))
    (folder / "certificate.pem").write_bytes(
        pem_of(certificate_of(key, not_before=AT - 365 * DAY, not_after=AT + left))
    )
    entry = KeySettings(file=str(folder / "key.pem"), certificate_file=str(folder / "certificate.pem"))
    scene = Scene({"entra": a_client(private_keys=(entry,))}, {"graph": TokenSettings(client="entra")})
    await scene.keys["entra"].load()
    scene.hold("graph")
    return scene


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (100 * DAY, "the certificate expires in 100 d"),
        (3 * DAY + 7200, "the certificate expires in 3 d 2 h"),
        (-3600, "the certificate expired 60 min ago"),
    ],
)
async def test_page_and_text_tell_when_it_expires(tmp_path: Path, left: float, said: str) -> None:
    seen = (await shown(tmp_path, left)).seen()
    assert said in text.render(seen)
    row = page.render(seen).partition("<dt>Certificate</dt><dd>")[2].partition("</dd>")[0]
    assert html.unescape(row).startswith(f"{said} (<time ")


async def test_it_is_a_remark_once_that_is_soon(tmp_path: Path) -> None:
    soon = (await shown(tmp_path, 20 * DAY)).seen()
    assert list(sentences.notices(soon)) == [
        ("warn", "entra: the certificate expires in 20 d. Have a new one issued and registered.")
    ]
    assert list(sentences.notices((await shown(tmp_path, 100 * DAY)).seen())) == []


async def test_a_key_without_one_has_no_such_row(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(native("P-256")))
    entry = KeySettings(file=str(tmp_path / "key.pem"))
    scene = Scene({"okta": a_client(private_keys=(entry,))}, {"t": TokenSettings(client="okta")})
    await scene.keys["okta"].load()
    assert "ertificate" not in text.render(scene.seen())
    assert "Certificate" not in page.render(scene.seen())
