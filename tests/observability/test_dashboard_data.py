"""Every query of the dashboard against a real Prometheus that scraped real brokers, in good days and in bad ones."""

import asyncio
import json
import math
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest
from joserfc.jwk import ECKey

from broker.devserver import DevServer, Fault
from certificates import certificate_of, pem_of
from e2e.processes import config, started, write_key
from observability.dashboard import EVERYTHING, Query, dashboard, panels, queries
from observability.prometheus import Prometheus, Target, prometheus

#: Seconds for which there is something to see: the window of a rate, and some more.
SCENE = 20
ONE_POD = {"namespace": "shop", "pod": "web-0", "token": "users"}
NOBODY = {"namespace": "nowhere", "pod": ".*", "token": ".*"}
CHOICES = {"everything": EVERYTHING, "one": ONE_POD, "nobody": NOBODY}
Series: TypeAlias = list[dict[str, Any]]
TOKENS = """\
  users: {{scopes: [okta.users.read], sinks: [{{path: {folder}/users}}]}}
  groups: {{scopes: [okta.groups.read]}}"""


async def workload(api: str) -> None:
    """What workloads do, with their mistakes: a name that is not there, a header that is missing."""
    async with aiohttp.ClientSession() as http:
        while True:
            for path, marked in (
                ("/v1/tokens/users", True),
                ("/v1/tokens/groups", True),
                ("/v1/tokens/none", True),
                ("/v1/tokens/users", False),
            ):
                with suppress(aiohttp.ClientError):
                    async with http.get(api + path, headers={"Metadata": "true"} if marked else {}) as reply:
                        await reply.read()
            await asyncio.sleep(0.1)


def certify(place: Path, file: Path) -> None:
    """Give the key of that configuration a certificate."""
    key = ECKey.import_key(json.loads((place / "key.jwk").read_text())).private_key
    assert key
    certificate = certificate_of(key, not_before=time.time() - 86400, not_after=time.time() + 86400)
    (place / "certificate.pem").write_bytes(pem_of(certificate))
    text = file.read_text()
    file.write_text(text.replace("key.jwk}", f"key.jwk, certificate_file: {place}/certificate.pem}}"))


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[list[Target]]:
    """A broker that is well, and one whose authorization server fails once it has its first tokens."""
    targets = []
    async with AsyncExitStack() as stack:
        for namespace, pod in (("shop", "web-0"), ("bank", "ledger-0")):
            place = folder / pod
            place.mkdir()
            server = await stack.enter_async_context(DevServer(lifetime=8))
            server.register("client", {"keys": [write_key(place / "key.jwk", pod)]})
            file = config(place, issuer=server.issuer, tokens=TOKENS.format(folder=place))
            certify(place, file)
            broker = await stack.enter_async_context(started("run", "--config", str(file)))
            for token in ("users", "groups"):
                await broker.event("token_refreshed", token=token)
            if pod == "ledger-0":
                server.faults.set(Fault(status=503))
            task = asyncio.create_task(workload(await broker.address("api")))
            stack.callback(task.cancel)
            targets.append(Target.broker(await broker.address("admin"), namespace=namespace, pod=pod))
        yield targets


async def asked(monitor: Prometheus, query: Query, chosen: dict[str, str], *, end: float) -> Series:
    text = query.sent(chosen)
    if query.instant:
        return await monitor.query(text)
    data = await monitor.get("query_range", query=text, start=str(end - SCENE / 2), end=str(end), step="1")
    return list(data["result"])


async def record(folder: Path) -> tuple[dict[tuple[str, str, str], Series], dict[str, list[str]]]:
    """What Prometheus answers: by panel, query and choice; and the values of each variable."""
    answers, values = {}, {}
    async with scene(folder) as targets, prometheus(folder, targets) as monitor:
        await asyncio.sleep(SCENE)
        ((_, now),) = [tuple(map(float, each["value"])) for each in await monitor.query("vector(time())")]
        for query in queries():
            for choice, chosen in CHOICES.items():
                answers[query.panel, query.reference, choice] = await asked(monitor, query, chosen, end=now)
        for variable in dashboard()["templating"]["list"][1:]:
            selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]  # a failure is the test's
            for name, value in EVERYTHING.items():
                selector = selector.replace(f"${name}", value)
            values[variable["name"]] = await monitor.get(f"label/{label}/values", **{"match[]": selector})
    return answers, values


Answers: TypeAlias = dict[tuple[str, str, str], Series]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Answers, dict[str, list[str]]]:
    return asyncio.run(record(tmp_path_factory.mktemp("monitoring")))


def numbers(series: Series) -> Iterator[float]:
    for each in series:
        for _, value in each["values"] if "values" in each else [each["value"]]:
            if not math.isnan(float(value)):
                yield float(value)


@pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.panel} {query.reference}")
def test_every_query_returns_numbers(recorded: tuple[Answers, dict[str, list[str]]], query: Query) -> None:
    for choice in ("everything", "one"):
        if query.panel == "Failed attempts by reason" and choice == "one":
            continue  # where nothing failed there is no reason
        found = list(numbers(recorded[0][query.panel, query.reference, choice]))
        assert found, query.sent(CHOICES[choice])
        assert all(map(math.isfinite, found))


@pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.panel} {query.reference}")
def test_every_query_is_narrowed_by_what_is_chosen(
    recorded: tuple[Answers, dict[str, list[str]]], query: Query
) -> None:
    assert not list(numbers(recorded[0][query.panel, query.reference, "nobody"]))


@pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.panel} {query.reference}")
def test_every_legend_and_column_is_a_label_that_is_there(
    recorded: tuple[Answers, dict[str, list[str]]], query: Query
) -> None:
    wanted = set(re.findall(r"{{(\w+)}}", query.legend))
    (panel,) = [panel for panel in panels() if panel["title"] == query.panel]
    if panel["type"] == "table":
        (organize,) = [each["options"] for each in panel["transformations"] if each["id"] == "organize"]
        wanted = {name for name in organize["renameByName"] if not name.startswith("Value #")}
    for series in recorded[0][query.panel, query.reference, "everything"]:
        assert set(series["metric"]) == wanted


def test_every_variable_offers_what_was_scraped(recorded: tuple[Answers, dict[str, list[str]]]) -> None:
    assert recorded[1] == {"namespace": ["bank", "shop"], "pod": ["ledger-0", "web-0"], "token": ["groups", "users"]}


def test_the_state_of_every_token_is_shown(recorded: tuple[Answers, dict[str, list[str]]]) -> None:
    last = [float(recorded[0]["Tokens by state", reference, "everything"][0]["values"][-1][1]) for reference in "ABC"]
    assert last == [2, 0, 2]
