import json
import socket
from pathlib import Path

from broker.devserver import DevServer
from e2e.processes import eventually, get, run, started, write_key
from helm.chart import CHART, Object, broker, of_kind, rendered
from helm.scenarios import Values, scenario

MOUNTED = "/var/run/secrets/token-broker"


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for found in (one, other):
            found.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def values(issuer: str) -> Values:
    """The minimal scenario with the development server, on free ports."""
    okta = scenario("okta")
    api, admin = free_ports()
    okta["config"]["clients"]["okta"] |= {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth2/v1/token",
        "client_id": "client",
    }
    okta["config"]["startup"] = {"wait": "1s"}
    return okta | {"ports": {"api": api, "admin": admin}}


def deployed(objects: list[Object], folder: Path) -> tuple[Object, list[str], dict[str, str]]:
    """The Pod of `helm test`, and the broker's arguments and variables; `folder` stands for what the Pod mounts."""
    file = folder / "config.yaml"
    file.write_text(of_kind(objects, "ConfigMap")["data"]["config.yaml"].replace(MOUNTED, str(folder)))
    spec = of_kind(objects, "Pod")["spec"]
    container = broker(spec)
    environ = {item["name"]: item["value"] for item in container["env"]}
    return spec, container["args"], {**environ, "TOKEN_BROKER_CONFIG": str(file)}


async def test_what_is_rendered_runs_and_answers_its_probes(tmp_path: Path) -> None:
    public = write_key(tmp_path / "private-key.jwk")
    async with DevServer() as server:
        server.register("client", {"keys": [public]}, {"okta.users.read"})
        chosen = values(server.issuer)
        spec, arguments, environ = deployed(rendered(CHART, chosen), tmp_path)
        async with started(*arguments, env=environ) as running:
            for probe in ("startupProbe", "livenessProbe"):
                asked = broker(spec)[probe]["httpGet"]
                await eventually(f"http://127.0.0.1:{asked['port']}{asked['path']}", 200)
            status, text = await get(f"http://127.0.0.1:{chosen['ports']['api']}/v1/token")
            assert status == 200
            # What `helm test` shows with --logs.
            code, printed, errors = await run(*spec["containers"][0]["args"])
            assert (code, printed, errors) == (0, "ready\ndefault: ok", "")
            assert json.loads(text)["access_token"] not in running.output


async def test_the_test_of_a_release_says_what_is_wrong(tmp_path: Path) -> None:
    write_key(tmp_path / "private-key.jwk")
    async with DevServer() as server:
        server.register("client", {"keys": [write_key(tmp_path / "another.jwk")]}, {"okta.users.read"})
        spec, arguments, environ = deployed(rendered(CHART, values(server.issuer)), tmp_path)
        async with started(*arguments, env=environ) as running:
            await running.event("refresh_failed")
            code, printed, errors = await run(*spec["containers"][0]["args"])
            assert (code, printed) == (1, "")
            assert "default: signature_refused" in errors
            assert "fix:" in errors
