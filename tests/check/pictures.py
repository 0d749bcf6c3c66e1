"""The pictures of docs/check.md: `PYTHONPATH=tests python -m check.pictures` writes them.

With `--text` it prints what they would show, as JSON.
"""

import asyncio
import json
import os
import socket
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from check.far_servers import Authority
from check.terminal import drawn, paint, unpainted

IMAGES = Path(__file__).parents[2] / "docs" / "images"


async def played(authority: Authority) -> dict[str, list[str]]:
    """The painted lines of every picture, after what is typed; the first of each is its title."""
    # Whom TLS trusts is decided when aiohttp is imported.
    from check.acts import SCENES, World  # noqa: PLC0415 - as it says above

    pictures = {}
    for name, scene in SCENES.items():
        world = World(authority.folder, authority)
        socket.getaddrinfo = world.resolve  # type: ignore[assignment]  # the scene's names, instead of the world's
        async with AsyncExitStack() as stack:
            found = await scene(world, stack)
        # Without the folder, the files are where they are in a container.
        lines = [line.replace(str(authority.folder), "") for line in found.lines(paint)]
        typed = f"{paint('$', 'dim')} {paint('token-broker check', 'bold')}"
        pictures[name] = [f"token-broker check: {scene.__doc__}", typed, "", *lines]
    return pictures


def main() -> None:
    """Write the pictures, or print their text."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder), "Example Web CA")
        os.environ["SSL_CERT_FILE"] = str(authority.file)
        pictures = asyncio.run(played(authority))
    if "--text" in sys.argv:
        texts = {
            name: [unpainted(line) for line in lines if unpainted(line).strip()]
            for name, (_, *lines) in pictures.items()
        }
        sys.stdout.write(json.dumps(texts))
        return
    for name, (title, *lines) in pictures.items():
        (IMAGES / name).write_text(drawn(lines, title=title))


if __name__ == "__main__":
    main()
