import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from e2e.processes import get, started
from helm.chart import CHART, WORKLOAD, Major, of_kind, rendered, with_dependency

Json = dict[str, Any]
DEMO = {"demo": {"enabled": True}}
KEYS = "/var/run/secrets/token-broker"


def pod(**values: Any) -> Json:
    spec: Json = of_kind(rendered(CHART, {**DEMO, **values}), "Deployment")["spec"]["template"]["spec"]
    return spec


def places(container: Json) -> set[str]:
    return {mount["mountPath"] for mount in container["volumeMounts"]}


def test_nothing_is_demonstrated_unless_it_is_asked_for() -> None:
    assert not rendered(CHART)


@pytest.mark.parametrize("kubernetes", ["1.29", "1.33", "1.36", "1.37"])
@pytest.mark.parametrize("major", [3, 4])
def test_the_demo_is_what_kubernetes_knows_in_each_field(kubernetes: str, major: Major) -> None:
    made = rendered(CHART, DEMO, kubernetes=kubernetes, major=major)
    assert sorted(thing["kind"] for thing in made) == ["ConfigMap", "Deployment"]
    for thing in made:
        kubernetes_validate.validate(thing, kubernetes, strict=True)


def test_the_demo_needs_no_object_that_it_does_not_bring() -> None:
    config, keys = pod()["volumes"]
    assert config["configMap"]["name"] == of_kind(rendered(CHART, DEMO), "ConfigMap")["metadata"]["name"]
    assert keys["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Mi"}


def test_its_sidecar_is_the_one_that_charts_include_but_for_where_the_key_comes_from(tmp_path: Path) -> None:
    (config,) = [made for made in rendered(CHART, DEMO) if made["kind"] == "ConfigMap"]
    values = {"key": {"existingSecret": "a"}, "config": config["data"]["config.yaml"]}
    charts = of_kind(rendered(with_dependency(WORKLOAD, tmp_path), {"token-broker": values}), "Deployment")
    theirs = charts["spec"]["template"]["spec"]["initContainers"][0]
    ours = pod()["initContainers"][0]
    assert {name for name in ours if ours[name] != theirs[name]} == {"args", "env", "volumeMounts"}
    assert ours["args"] == [*theirs["args"], "--dev"]
    assert ours["env"] == [*theirs["env"], {"name": "TMPDIR", "value": KEYS}]
    assert {mount["mountPath"] for mount in ours["volumeMounts"]} == {
        mount["mountPath"] for mount in theirs["volumeMounts"]
    }


def test_what_a_release_says_of_its_own_sidecars_does_not_change_the_demo() -> None:
    own = {"key": {"existingSecret": "mine"}, "existingConfigMap": "mine", "extraEnv": [{"name": "A", "value": "b"}]}
    assert pod(**own) == pod()


def test_the_whole_pod_is_restricted() -> None:
    for container in [*pod()["initContainers"], *pod()["containers"]]:
        context = container["securityContext"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["runAsNonRoot"]
        assert context["readOnlyRootFilesystem"]
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}


@asynccontextmanager
async def demonstrating(folder: Path) -> AsyncIterator[str]:
    """Where the demo's broker is asked, once it has a token; started as in the Pod, but on free ports."""
    broker, config = pod()["initContainers"][0], folder / "config.yaml"
    config.write_text(of_kind(rendered(CHART, DEMO), "ConfigMap")["data"]["config.yaml"])
    env = {variable["name"]: variable["value"] for variable in broker["env"]} | {
        "TOKEN_BROKER_CONFIG": str(config),
        "TOKEN_BROKER_API_LISTEN": "127.0.0.1:0",
        "TOKEN_BROKER_ADMIN_LISTEN": "127.0.0.1:0",
        "TOKEN_BROKER_LOG_FORMAT": "json",
        "TMPDIR": str(folder),
    }
    async with started(*broker["args"], env=env) as running:
        await running.event("token_refreshed", outcome="success")
        yield await running.address("api")


async def first_line_of(command: list[str], **env: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            return (await process.stdout.readline()).decode()
    finally:
        process.kill()
        await process.wait()


async def test_the_workload_asks_and_prints_how_long_its_token_lives_but_not_the_token(tmp_path: Path) -> None:
    python, *arguments = pod()["containers"][0]["command"]
    assert python == "python3"
    async with demonstrating(tmp_path) as url:
        line = await first_line_of([sys.executable, *arguments], TOKEN_BROKER_URL=url)
        token = json.loads((await get(f"{url}/v1/tokens/users-api"))[1])
    assert line.startswith("a token for okta.users.read that is good for 3")
    assert token["access_token"] not in line
