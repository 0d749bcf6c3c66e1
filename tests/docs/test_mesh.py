"""What the guide says of service meshes, as far as the broker itself can show it."""

import sys
from pathlib import Path

import aiohttp
import pytest

from e2e.processes import config, started, write_key

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="platform: only Linux answers on all of 127.0.0.0/8")
NOBODY = "http://127.0.0.1:1"


async def readiness(admin: str, peer: str, **headers: str) -> str:
    """The text of `/readyz` for this peer, once the first attempt has failed."""
    connector = aiohttp.TCPConnector(local_addr=(peer, 0))
    async with aiohttp.ClientSession(connector=connector) as http:
        while True:
            async with http.get(f"{admin}/readyz", headers=headers) as answer:
                if "starting" not in (text := await answer.text()):
                    return text


@pytest.mark.parametrize(
    ("peer", "headers", "told"),
    [
        ("127.0.0.1", {}, True),
        ("127.0.0.6", {}, False),
        ("127.0.0.6", {"X-Forwarded-Proto": "http"}, False),
    ],
    ids=["kubectl port-forward", "Istio's agent or raw TCP", "Istio's Envoy"],
)
async def test_failure_texts_are_for_those_of_whom_the_guide_says_so(
    tmp_path: Path, peer: str, headers: dict[str, str], *, told: bool
) -> None:
    write_key(tmp_path / "key.jwk")
    async with started("run", "--config", str(config(tmp_path, issuer=NOBODY))) as broker:
        text = await readiness(await broker.address("admin"), peer, **headers)
    assert ("cause:" in text) == told
