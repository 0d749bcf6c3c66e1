"""Every snippet of docs/clients.md whose runtime can be had, run as it stands there."""

import asyncio
import importlib.util
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from clients.prometheus import holds, prometheus
from clients.stage import SECRET, USERS, Stage, staged
from programs.installed import missing, needed, npm_installed

HERE = Path(__file__).parent


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as one:
        yield one


def importable(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        missing(f"the Python package {module.replace('_', '-')} is not installed")


async def answers_with_a_token(stage: Stage, name: str) -> None:
    """A snippet of the shell that prints the broker's answer."""
    code, out, err = await stage.run(needed("bash", "bash"), "-c", stage.paste(name))
    assert code == 0, err
    assert json.loads(out)["access_token"] == await stage.current()
    assert SECRET not in out + err + stage.running.output


@pytest.mark.parametrize("name", ["curl", "curl-caller", "curl-oauth2"])
async def test_curl_prints_the_current_token(stage: Stage, name: str) -> None:
    needed("curl", "curl")
    await answers_with_a_token(stage, name)


@pytest.mark.parametrize("name", ["bash", "token-command"])
async def test_a_script_calls_the_api(stage: Stage, name: str) -> None:
    needed("curl", "curl")
    await stage.calls_the_api(needed("bash", "bash"), "-c", stage.paste(name))


async def test_the_command_asks_as_the_caller_whose_secret_file_it_is_given(stage: Stage) -> None:
    needed("curl", "curl")
    await stage.calls_the_api(needed("bash", "bash"), "-c", stage.paste("token-command-caller"))
    assert await stage.sample("token_broker_handouts_total", token="users-api", caller="reports") == 1


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("python-urllib", "urllib"),
        ("python-requests", "requests"),
        ("python-requests-oauthlib", "requests_oauthlib"),
        ("python-authlib", "authlib"),
    ],
)
async def test_python_calls_the_api(stage: Stage, name: str, module: str) -> None:
    importable(module)
    (stage.folder / "users.py").write_text(stage.paste(name))
    await stage.calls_the_api(sys.executable, "users.py")


@pytest.mark.parametrize("name", ["python-urllib", "python-requests"])
async def test_python_reaches_the_broker_past_a_proxy_without_no_proxy(stage: Stage, name: str) -> None:
    importable("requests")
    (stage.folder / "users.py").write_text(stage.paste(name))
    await stage.run(sys.executable, "users.py", NO_PROXY="", no_proxy="")
    assert stage.calls == [], "the API is behind the proxy"
    handed_out = await stage.sample("token_broker_handouts_total", token="users-api", caller="anonymous")
    assert handed_out == 1


async def test_who_sends_it_by_a_proxy_all_the_same_is_told_the_variable(stage: Stage) -> None:
    curl = needed("curl", "curl")
    url = f"{stage.broker}/v1/tokens/users-api"
    code, out, _ = await stage.run(curl, "-sS", "-H", "Metadata: true", url, http_proxy=stage.broker, NO_PROXY="")
    assert code == 0
    assert "NO_PROXY=localhost,127.0.0.1" in json.loads(out)["error_description"]
    assert json.loads(out)["reason"] == "target"


@pytest_asyncio.fixture(params=[False, True], ids=["no-nonce", "nonce"])
async def bound_stage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """The broker's tokens are DPoP tokens; the API wants a nonce in each proof, or none."""
    async with staged(tmp_path, dpop=True) as one:
        one.proofs.nonce_required = request.param
        yield one


async def test_curl_calls_an_api_with_a_proof(bound_stage: Stage) -> None:
    needed("curl", "curl")
    needed("jq", "jq")
    bound_stage.proofs.nonce_required = False
    await bound_stage.calls_the_api(needed("bash", "bash"), "-c", bound_stage.paste("curl-dpop"))


async def test_python_calls_an_api_with_a_proof_and_the_nonce_that_it_wants(bound_stage: Stage) -> None:
    importable("requests")
    (bound_stage.folder / "users.py").write_text(bound_stage.paste("python-dpop"))
    code, out, err = await bound_stage.run(sys.executable, "users.py")
    assert (code, out.strip()) == (0, USERS), err
    more = ["/users"] * bound_stage.proofs.nonce_required
    assert (bound_stage.calls, bound_stage.refused) == (["/users", *more], more)


async def test_what_the_api_rejects_is_reported_by_the_snippet_for_requests(stage: Stage) -> None:
    importable("requests")
    (stage.folder / "users.py").write_text(stage.paste("python-requests"))
    stage.distrust = 1
    assert (await stage.run(sys.executable, "users.py"))[0] == 0
    reported = await stage.sample("token_broker_requests_total", route="/v1/tokens/{name}/rejected", code="202")
    assert (stage.refused, reported) == (["/users"], 1)


@pytest.mark.parametrize("name", ["go-roundtripper", "go-oauth2"])
async def test_go_calls_the_api(stage: Stage, name: str) -> None:
    go = needed("go", "golang")
    for file in ("go.mod", "go.sum"):
        shutil.copy(HERE / "go" / file, stage.folder)
    (stage.folder / "main.go").write_text(stage.paste(name))
    # Through the proxy that is set here if one is: modules come from outside.
    built = await asyncio.create_subprocess_exec(
        *(go, "build", "-buildvcs=false", "-o", "users", "."), cwd=stage.folder, stderr=asyncio.subprocess.PIPE
    )
    _, said = await built.communicate()
    if built.returncode and b"dial tcp" in said:
        missing(f"golang.org/x/oauth2 cannot be fetched: {said.decode()}")
    assert built.returncode == 0, said.decode()
    await stage.calls_the_api(stage.folder / "users")


async def test_the_jdk_calls_the_api(stage: Stage) -> None:
    (stage.folder / "Users.java").write_text(stage.paste("java"))
    await stage.calls_the_api(needed("java", "default-jdk-headless"), "Users.java")


@pytest.mark.parametrize("name", ["node-fetch", "node-openid-client"])
async def test_node_calls_the_api(stage: Stage, name: str) -> None:
    node = needed("node", "nodejs")
    npm_installed(HERE)
    (stage.folder / "node_modules").symlink_to(HERE / "node_modules")
    (stage.folder / "users.mjs").write_text(stage.paste(name))
    await stage.calls_the_api(node, "users.mjs")


async def test_prometheus_scrapes_with_a_token_of_the_broker(stage: Stage) -> None:
    config = yaml.safe_load(stage.paste("prometheus"))
    (job,) = config["scrape_configs"]
    job["scheme"] = "http"
    (targets,) = job["static_configs"]
    assert targets["targets"] == ["api.example.com"]
    targets["targets"] = [stage.api.removeprefix("http://")]
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    async with prometheus(stage.folder, config) as server:
        await holds(server, 'up{job="users"} == 1')
        await holds(server, 'users{job="users"} == 3')
    assert set(stage.calls) == {"/metrics"}
    assert stage.refused == []
    assert await stage.sample("token_broker_handouts_total", token="users-api", caller="reports") == 1
    assert SECRET not in stage.running.output
