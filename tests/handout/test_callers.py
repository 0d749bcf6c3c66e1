"""Authentication and authorization of callers."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.errors import ConfigError
from broker.core.events import CallerLoaded, CallerRefused, Event
from broker.core.settings import ANONYMOUS, CallerSettings, TokenSettings
from broker.workload_api.callers.registry import POLL_INTERVAL, READ_TIMEOUT, Callers, Denied
from key_volume import Volume

A1, A2, B1, C1 = (f"{name}-0123456789abcdef" for name in ("a1", "a2", "b1", "c1"))
WHO, NOT_YOU = Denied(authenticate=True), Denied(authenticate=False)


class Scene:
    """Callers `a` and `b` with secret files, and `worker` with a uid; what was told about them."""

    def __init__(self, folder: Path, lists: Mapping[str, tuple[str, ...] | None] | None = None) -> None:
        self.folder = folder
        self.told: list[Event] = []
        self.callers = Callers(
            {
                "a": CallerSettings(secret_file=str(folder / "a")),
                "b": CallerSettings(secret_file=str(folder / "b")),
                "worker": CallerSettings(uid=1001),
            },
            {
                name: TokenSettings(client="c", callers=list_)
                for name, list_ in (lists or {"listed": ("a",), "unlisted": None, "open": (ANONYMOUS,)}).items()
            },
            observe=self.told.append,
        )

    def write(self, **secrets: str) -> None:
        for name, text in secrets.items():
            (self.folder / name).write_text(text)

    def who(self, *secrets: str) -> list[str | None]:
        return [self.callers.by_secret(secret) for secret in secrets]

    @property
    def refused(self) -> list[str]:
        return [event.caller for event in self.told if isinstance(event, CallerRefused)]


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path)
    scene.write(a=A1, b=B1)
    await scene.callers.load()
    scene.told.clear()
    return scene


@asynccontextmanager
async def watched(scene: Scene) -> AsyncIterator[None]:
    task = asyncio.create_task(scene.callers.watch())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    """Time is virtual but threads are not: give them real seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(1)


async def looks(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(POLL_INTERVAL)
        time.sleep(0.01)  # noqa: ASYNC251 - for the thread that reads


def test_who_sends_a_callers_secret_is_that_caller(scene: Scene) -> None:
    assert scene.callers.identify(A1, None) == "a"
    assert scene.callers.identify(B1, None) == "b"


def test_a_secret_counts_more_than_the_user_who_sends_it(scene: Scene) -> None:
    assert scene.callers.identify(A1, 1001) == "a"
    assert scene.callers.identify("nobody's-secret-at-all", 1001) == WHO


@pytest.mark.parametrize("secret", ["", "x", A1[:-1], A1 + "x", A1.upper(), " " + A1, "\udcff\udcfe", "é" * 20])
def test_a_secret_that_nobody_has_is_denied_even_where_none_is_needed(secret: str, scene: Scene) -> None:
    assert scene.callers.identify(secret, None) == WHO
    assert scene.callers.by_secret(secret) is None


def test_who_sends_none_is_the_user_at_the_other_end_or_anonymous(scene: Scene) -> None:
    assert scene.callers.identify(None, 1001) == "worker"
    assert scene.callers.identify(None, 1002) == ANONYMOUS
    assert scene.callers.identify(None, 0) == ANONYMOUS
    assert scene.callers.identify(None, None) == ANONYMOUS


def test_without_callers_nobody_is_asked_who_they_are() -> None:
    callers = Callers({}, {"t": TokenSettings(client="c")}, observe=lambda _: None)
    assert callers.identify("whatever", None) == ANONYMOUS
    assert callers.permits("t", ANONYMOUS) is None
    assert callers.names(ANONYMOUS) == ["t"]


def test_once_there_are_callers_what_was_open_closes(scene: Scene) -> None:
    permits = scene.callers.permits
    assert [permits("unlisted", who) for who in ("a", "b", "worker", ANONYMOUS)] == [None, None, None, WHO]
    assert [permits("listed", who) for who in ("a", "b", "worker", ANONYMOUS)] == [None, NOT_YOU, NOT_YOU, WHO]
    assert [permits("open", who) for who in ("a", "b", "worker", ANONYMOUS)] == [None] * 4


def test_each_caller_has_its_names(scene: Scene) -> None:
    assert scene.callers.names("a") == ["listed", "open", "unlisted"]
    assert scene.callers.names("worker") == ["open", "unlisted"]
    assert scene.callers.names(ANONYMOUS) == ["open"]


async def test_at_start_every_file_is_read_and_told_without_its_content(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(a=f"{A1}\n{A2}\n", b=B1)
    await scene.callers.load()
    assert scene.told == [
        CallerLoaded(caller="a", file=str(tmp_path / "a"), secrets=2),
        CallerLoaded(caller="b", file=str(tmp_path / "b"), secrets=1),
    ]
    assert scene.who(A1, A2, B1) == ["a", "a", "b"]
    assert not [secret for secret in (A1, A2, B1) if secret in repr(scene.told) + repr(vars(scene.callers))]


async def test_at_start_every_file_that_cannot_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(b="short")
    with pytest.raises(ConfigError) as error:
        await scene.callers.load()
    missing, short = error.value.complaints
    assert missing.startswith(f"api.callers.a.secret_file: {tmp_path}/a cannot be read: No such file")
    assert missing.endswith("; mount it there, or write create: true")
    assert short.startswith(f"api.callers.b.secret_file: {tmp_path}/b holds a secret of less than 16 bytes; ")


async def test_two_callers_with_one_secret_are_a_configuration_error(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(a=f"{A1}\n{A2}", b=f"{B1}\n{A2}")
    with pytest.raises(ConfigError) as error:
        await scene.callers.load()
    assert error.value.complaints == (
        f"api.callers.a.secret_file: {tmp_path}/a holds a secret of the caller b too; give each its own",
        f"api.callers.b.secret_file: {tmp_path}/b holds a secret of the caller a too; give each its own",
    )
    assert A2 not in str(error.value)


async def test_a_secret_is_made_where_the_configuration_says_so(tmp_path: Path) -> None:
    told: list[Event] = []
    made = {name: CallerSettings(secret_file=str(tmp_path / name), create=True) for name in ("new", "old")}
    (tmp_path / "old").write_text(A1)
    callers = Callers(made, {}, observe=told.append)
    await callers.load()
    assert callers.by_secret((tmp_path / "new").read_text().strip()) == "new"
    assert callers.by_secret(A1) == "old"
    assert [(event.caller, event.created) for event in told if isinstance(event, CallerLoaded)] == [
        ("new", True),
        ("old", False),
    ]


async def test_one_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none" / "secret")
    callers = Callers({"a": CallerSettings(secret_file=nowhere, create=True)}, {}, observe=lambda _: None)
    with pytest.raises(ConfigError, match=r"api\.callers\.a\.secret_file: .* cannot be created") as error:
        await callers.load()
    assert len(error.value.complaints) == 1


@pytest.mark.looptime
async def test_a_secret_is_changed_without_a_gap(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(a=A1, b=B1)
    await scene.callers.load()
    async with watched(scene):
        scene.write(a=f"{A1}\n{A2}")
        await until(lambda: scene.who(A2) == ["a"])
        assert scene.who(A1) == ["a"]
        scene.write(a=A2)
        await until(lambda: scene.who(A1) == [None])
        assert scene.who(A2, B1) == ["a", "b"]
    assert scene.refused == []


@pytest.mark.looptime
async def test_kubernetes_swap_of_the_directory_is_a_change_and_no_trouble(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    scene = Scene(tmp_path)
    volume.write(a=A1.encode(), b=B1.encode())
    await scene.callers.load()
    async with watched(scene):
        volume.write(a=A2.encode(), b=C1.encode())
        await until(lambda: scene.who(A1, A2, B1, C1) == [None, "a", None, "b"])
    assert scene.refused == []


@pytest.mark.looptime
async def test_secrets_that_change_hands_together_are_no_trouble(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    scene = Scene(tmp_path)
    volume.write(a=A1.encode(), b=B1.encode())
    await scene.callers.load()
    async with watched(scene):
        volume.write(a=B1.encode(), b=A1.encode())
        await until(lambda: scene.who(A1, B1) == ["b", "a"])
    assert scene.refused == []


@pytest.mark.looptime
async def test_a_file_that_breaks_is_told_once_and_the_secrets_before_it_stay(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(a=A1, b=B1)
    await scene.callers.load()
    generation = scene.callers.generation
    async with watched(scene):
        (tmp_path / "a").unlink()
        await until(lambda: scene.refused)
        await looks(5)
        assert scene.refused == ["a"]
        scene.write(a="short")
        await until(lambda: scene.refused == ["a", "a"])
        assert scene.who(A1, B1) == ["a", "b"]
        assert scene.callers.generation == generation
        scene.told.clear()
        scene.write(a=A1)
        await until(lambda: scene.told)
        assert scene.told == [CallerLoaded(caller="a", file=str(tmp_path / "a"), secrets=1)], "that it is good again"
        assert scene.callers.generation == generation


@pytest.mark.looptime
async def test_another_callers_secret_is_refused_until_it_is_given_back(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(a=A1, b=B1)
    await scene.callers.load()
    async with watched(scene):
        scene.write(b=A1)
        await until(lambda: scene.refused == ["b"])
        assert scene.who(A1, B1) == ["a", "b"]
        scene.write(a=A2)
        await until(lambda: scene.who(A1, A2, B1) == ["b", "a", None])


async def test_a_change_that_took_effect_is_another_generation(scene: Scene) -> None:
    generation = scene.callers.generation
    await scene.callers.reload()
    assert scene.callers.generation == generation
    scene.write(a=A2)
    await scene.callers.reload()
    assert scene.callers.generation == generation + 1


async def test_a_reload_tells_again_what_is_still_wrong(scene: Scene) -> None:
    scene.write(a="short")
    for count in (1, 2):
        await scene.callers.reload()
        assert scene.refused == ["a"] * count
    assert scene.who(A1) == ["a"]
    scene.write(a=A1)
    for _ in range(2):
        await scene.callers.reload()
    loaded = [event.caller for event in scene.told if isinstance(event, CallerLoaded)]
    assert loaded == ["a"], "that it is good again, once"


@pytest.mark.looptime
async def test_a_mount_that_hangs_costs_one_thread_and_hinders_no_other_file(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(a=A1, b=B1)
    await scene.callers.load()
    hung = asyncio.get_running_loop().create_future()
    scene.callers._reading["a"] = hung  # the reading that does not come back
    async with watched(scene):
        scene.write(b=C1)
        await until(lambda: scene.who(C1) == ["b"])
        assert scene.refused == ["a"]
        assert scene.who(A1) == ["a"]
        assert scene.callers._reading == {"a": hung}
        scene.write(a=A2)
        await asyncio.sleep(3 * READ_TIMEOUT)
        assert scene.who(A2) == [None], "nobody reads while somebody still does"
        hung.set_result("whatever it came to")
        await until(lambda: scene.who(A2) == ["a"])


async def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.write(a=A1, b=B1)
    (tmp_path / "a").chmod(0)
    uid = os.geteuid()
    os.seteuid(uid or 65532)  # root may read everything
    try:
        with pytest.raises(ConfigError, match=r"(?m)a cannot be read: Permission denied$"):
            await scene.callers.load()
    finally:
        os.seteuid(uid)


SECRETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=16, max_size=40)


@given(mine=SECRETS, sent=st.text(max_size=60))
def test_no_text_but_the_secret_itself_is_taken_for_it(mine: str, sent: str) -> None:
    async def taken(secret: str) -> bool:
        file = os.memfd_create("secret")
        try:
            os.write(file, mine.encode())
            settings = {"a": CallerSettings(secret_file=f"/proc/self/fd/{file}")}
            callers = Callers(settings, {}, observe=lambda _: None)
            await callers.load()
        finally:
            os.close(file)
        return callers.by_secret(secret) == "a"

    assert asyncio.run(taken(mine))
    assert asyncio.run(taken(sent)) == (sent == mine)
