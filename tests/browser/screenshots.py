"""Takes the pictures of the status page in docs/images: `PYTHONPATH=tests .venv/bin/python -m browser.screenshots`.

What is on them is the same every time, down to the clock. The type is that of the machine; Debian's fonts-inter comes
near to what readers have, so install that first.
"""

import asyncio
import io
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from browser.chromium import chromium, opened
from browser.pictures import five_tokens, trouble
from programs.installed import needed
from status_scenes import Scene

IMAGES = Path(__file__).parents[2] / "docs" / "images"
FONT = "Inter"
FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include>/etc/fonts/fonts.conf</include>
  {}
</fontconfig>
"""
INSTEAD = """\
<match target="pattern">
  <test qual="any" name="family"><string>{}</string></test>
  <edit name="family" mode="prepend" binding="strong"><string>{}</string></edit>
</match>
"""


@dataclass(frozen=True)
class Picture:
    """`unfold` is the token whose particulars are shown; a picture of a phone is one screen."""

    scene: Callable[[Path], Awaitable[Scene]]
    scheme: str
    width: int = 1000
    height: int | None = None
    unfold: str = ""


PICTURES = {
    "status-light.png": Picture(five_tokens, "light", unfold="users-api"),
    "status-dark.png": Picture(five_tokens, "dark"),
    "status-trouble.png": Picture(trouble, "light"),
    "status-phone.png": Picture(trouble, "dark", width=390, height=844),
}


async def taken(picture: Picture, fonts: Path) -> bytes:
    """The PNG."""
    program = needed("chromium", "chromium")
    with tempfile.TemporaryDirectory() as folder:
        scene = await picture.scene(Path(folder))
        size = {"width": picture.width, "height": picture.height or 600}
        async with (
            scene.listening() as url,
            chromium(program, FONTCONFIG_FILE=str(fonts)) as browser,
            opened(browser, url, color_scheme=picture.scheme, viewport=size, device_scale_factor=1.5) as watched,
        ):
            if picture.unfold:
                await watched.page.locator(f"#token-{picture.unfold} summary").click()
                await watched.page.evaluate("document.activeElement.blur()")
                await watched.page.mouse.move(0, 0)
            return await watched.page.screenshot(full_page=picture.height is None)


def smaller(png: bytes) -> bytes:
    """The same in its 256 commonest colours: those of the theme exactly, those at the edges of letters nearly."""
    image, palette, out = Image.open(io.BytesIO(png)).convert("RGB"), Image.new("P", (1, 1)), io.BytesIO()
    counted: list[tuple[int, tuple[int, int, int]]] = image.getcolors(1 << 24)  # type: ignore[assignment]  # RGB, so
    palette.putpalette([part for _, colour in sorted(counted, reverse=True)[:256] for part in colour])
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


async def main(folder: Path) -> None:
    """All of them, into `folder`."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as fonts:
        fonts.write(FONTS.format("".join(INSTEAD.format(one, FONT) for one in ("system-ui", "sans-serif", "sans"))))
        fonts.flush()
        for name, picture in PICTURES.items():
            (folder / name).write_bytes(smaller(await taken(picture, Path(fonts.name))))


if __name__ == "__main__":
    asyncio.run(main(IMAGES))
