"""Sinks: real files, in directories that others may write to."""

import asyncio
import json
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from broker.core.events import Event, SinkCleared, SinkFailed, SinkWritten
from broker.core.settings import SinkSettings
from broker.core.tokens import Token
from broker.refresh.store import Store
from broker.workload_api.sinks import Sink

EPOCH = 1_800_000_000.0
NAME = "users-api"


def token(value: str = "first", *, at: float = EPOCH, lifetime: float = 3600.0) -> Token:
    return Token(access_token=value, token_type="Bearer", scope="a b", issued_at=at, lifetime=lifetime)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


class Desk:
    """A store, a clock that stands unless it is told, and what was told."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.now = clock or (lambda: EPOCH)
        self.store = Store([NAME], self.now)
        self.told: list[Event] = []

    def sink(self, file: Path, **more: object) -> Sink:
        settings = SinkSettings(path=str(file), **more)  # type: ignore[arg-type]  # the test's own keywords
        wall = lambda: self.now() + 100.0  # noqa: E731 - an own clock, beside the boot-time one
        return Sink(NAME, settings, self.store, now=self.now, wall=wall, observe=self.told.append)

    @asynccontextmanager
    async def kept(self, file: Path, **more: object) -> AsyncIterator[None]:
        task = asyncio.create_task(self.sink(file, **more).run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, kind: type[Event], times: int = 1) -> list[Event]:
        async with asyncio.timeout(20):
            while len(found := [event for event in self.told if isinstance(event, kind)]) < times:
                await asyncio.sleep(0.005)
        return found


async def test_the_file_follows_the_store(tmp_path: Path) -> None:
    desk, file = Desk(), tmp_path / "token"
    async with desk.kept(file):
        desk.store.put(NAME, token())
        await desk.until(SinkWritten)
        assert file.read_text() == "first"
        desk.store.put(NAME, token("second"))
        await desk.until(SinkWritten, 2)
        assert file.read_text() == "second"
    assert names(tmp_path) == ["token"]


async def test_a_header_is_one_that_curl_reads(tmp_path: Path) -> None:
    desk, file = Desk(), tmp_path / "token"
    desk.store.put(NAME, token())
    async with desk.kept(file, format="header"):
        await desk.until(SinkWritten)
    assert file.read_text() == "Authorization: Bearer first\n"


async def test_json_says_when_it_expires_by_the_wall_clock(tmp_path: Path) -> None:
    desk, file = Desk(), tmp_path / "token"
    desk.store.put(NAME, token())
    async with desk.kept(file, format="json"):
        await desk.until(SinkWritten)
    assert json.loads(file.read_text()) == {
        "access_token": "first",
        "token_type": "Bearer",
        "expires_at": int(EPOCH) + 3600 + 100,
        "scope": "a b",
    }


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("mode", ["0600", "0640", "0444"])
async def test_the_mode_is_the_one_that_was_written_whatever_the_umask(mode: str, umask: int, tmp_path: Path) -> None:
    desk, file = Desk(), tmp_path / "token"
    desk.store.put(NAME, token())
    before = os.umask(umask)
    try:
        async with desk.kept(file, mode=mode):
            await desk.until(SinkWritten)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == int(mode, 8)


async def test_what_a_broker_before_left_is_removed_at_start(tmp_path: Path) -> None:
    desk, file = Desk(), tmp_path / "token"
    file.write_text("old")
    leftover, others = tmp_path / ".token.0123456789abcdef.new", tmp_path / ".token.mine"
    leftover.write_text("half of an")
    others.write_text("not ours")
    async with desk.kept(file):
        assert await desk.until(SinkCleared) == [SinkCleared(token=NAME, file=str(file))]
    assert names(tmp_path) == [".token.mine"]


@pytest.mark.looptime
async def test_an_expired_token_is_removed_when_it_expires(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    desk, file = Desk(lambda: EPOCH + loop.time()), tmp_path / "token"
    desk.store.put(NAME, token(at=desk.now(), lifetime=300))
    async with desk.kept(file):
        await asyncio.sleep(294.9)
        assert file.read_text() == "first"
        await asyncio.sleep(0.2)
        assert not file.exists()
        desk.store.put(NAME, token("second", at=desk.now()))
        await asyncio.sleep(0.1)
        assert file.read_text() == "second"


@pytest.mark.looptime
async def test_a_token_that_expired_while_the_machine_was_suspended_is_removed_within_a_minute(tmp_path: Path) -> None:
    loop, suspended = asyncio.get_running_loop(), 0.0
    desk, file = Desk(lambda: EPOCH + loop.time() + suspended), tmp_path / "token"
    desk.store.put(NAME, token(at=desk.now()))
    async with desk.kept(file):
        await asyncio.sleep(90)
        assert file.read_text() == "first"
        suspended = 7200.0  # asyncio's clock stood still meanwhile
        await asyncio.sleep(61)
        assert not file.exists()


@pytest.mark.parametrize("remove", [True, False])
async def test_it_is_removed_at_the_end_only_if_that_is_wanted(*, remove: bool, tmp_path: Path) -> None:
    desk, file = Desk(), tmp_path / "token"
    desk.store.put(NAME, token())
    async with desk.kept(file, remove_on_shutdown=remove):
        await desk.until(SinkWritten)
    assert file.exists() is not remove


async def test_a_reader_that_loops_never_sees_half_a_token(tmp_path: Path) -> None:
    desk, file = Desk(), tmp_path / "token"
    tokens = [token(f"{letter * 4096}") for letter in "abcdefghij"]
    whole = {one.access_token for one in tokens}
    torn: list[str] = []
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with suppress(FileNotFoundError):
                (seen.add if (text := file.read_text()) in whole else torn.append)(text)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        async with desk.kept(file):
            for number, one in enumerate(tokens * 10, start=1):
                desk.store.put(NAME, one)
                await desk.until(SinkWritten, number)
    finally:
        done.set()
        reader.join()
    assert (torn, len(seen) > 1) == ([], True)


async def test_a_symlink_in_its_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    desk, file, victim = Desk(), tmp_path / "shared/token", tmp_path / "victim"
    file.parent.mkdir()
    victim.write_text("untouched")
    desk.store.put(NAME, token())
    async with desk.kept(file):
        await desk.until(SinkWritten)
        file.unlink()
        file.symlink_to(victim)
        desk.store.put(NAME, token("second"))
        await desk.until(SinkWritten, 2)
    assert (victim.read_text(), file.is_symlink(), file.read_text()) == ("untouched", False, "second")


def test_file_in_place_of_the_directory_is_explained(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("no directory")
    fault = Desk().sink(tmp_path / "shared/token")._apply(token())
    assert f"there is no directory {tmp_path / 'shared'}" in fault


async def test_directory_replaced_by_a_symlink_is_refused(tmp_path: Path) -> None:
    """Whoever may write above it could otherwise have tokens written, and files removed, anywhere the broker may."""
    desk, file, victim = Desk(), tmp_path / "shared/token", tmp_path / "victim"
    file.parent.mkdir()
    victim.mkdir()
    (victim / "token").write_text("untouched")
    desk.store.put(NAME, token())
    async with desk.kept(file):
        await desk.until(SinkWritten)
        shutil.rmtree(file.parent)
        file.parent.symlink_to(victim)
        desk.store.put(NAME, token("second"))
        (failed,) = await desk.until(SinkFailed)
        why = f"{file.parent} is a symlink, which another container may have made; name a real directory"
        assert failed == SinkFailed(token=NAME, file=str(file), detail=f"{file} cannot be written: {why}")
        file.parent.unlink()
        file.parent.mkdir()
        desk.store.put(NAME, token("third"))
        await desk.until(SinkWritten, 2)
    assert (names(victim), (victim / "token").read_text(), file.read_text()) == (["token"], "untouched", "third")


@pytest.mark.parametrize("link", ["disk/link", "link"], ids=["in a volume", "into a volume"])
def test_symlink_to_a_directory_above_is_refused_in_volumes(link: str, small_disk: Path) -> None:
    (small_disk / "real").mkdir()
    (small_disk / "real/sub").mkdir()
    above = small_disk.parent / link
    above.symlink_to(small_disk / "real")
    fault = Desk().sink(above / "sub/token")._apply(token())
    assert f"{above} is a symlink" in fault
    assert names(small_disk / "real/sub") == []


def test_symlink_outside_of_volumes_leads_to_the_directory(tmp_path: Path) -> None:
    """As /var/run does in most images."""
    if tmp_path.stat().st_dev != Path("/").stat().st_dev:
        pytest.skip("temporary files are on a volume of their own")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/tokens").mkdir()
    (tmp_path / "var-run").symlink_to(tmp_path / "run")
    assert Desk().sink(tmp_path / "var-run/tokens/token")._apply(token()) == ""
    assert names(tmp_path / "run/tokens") == ["token"]


def test_directory_above_need_not_be_readable(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root may become another user")
    directory = tmp_path / "searchable/tokens"
    directory.mkdir(parents=True)
    os.chown(directory, 65532, 65532)
    directory.parent.chmod(0o711)
    above = [path for path in directory.parents if path.stat().st_mode & 0o077 == 0]
    for path in above:
        path.chmod(0o711)
    os.seteuid(65532)
    try:
        assert Desk().sink(directory / "token")._apply(token()) == ""
    finally:
        os.seteuid(0)


async def test_symlinks_and_files_under_every_name_that_it_could_choose_do_not_help(tmp_path: Path) -> None:
    desk, file, victim = Desk(), tmp_path / "shared/token", tmp_path / "victim"
    file.parent.mkdir()
    done = threading.Event()

    def attack() -> None:
        """Race for whatever name shows up."""
        while not done.is_set():
            for path in file.parent.iterdir():
                with suppress(OSError):
                    path.unlink()
                    path.symlink_to(victim)

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        async with desk.kept(file):
            for number in range(100):
                desk.store.put(NAME, token(f"number {number}"))
                await asyncio.sleep(0.002)
    finally:
        done.set()
        attacker.join()
    assert not victim.exists()


async def test_a_missing_directory_is_told_and_a_later_token_finds_it(tmp_path: Path) -> None:
    desk, file = Desk(), tmp_path / "missing/token"
    async with desk.kept(file):
        desk.store.put(NAME, token())
        (told,) = await desk.until(SinkFailed)
        advice = f"there is no directory {file.parent}; create it, or mount a volume there"
        assert told == SinkFailed(token=NAME, file=str(file), detail=f"{file} cannot be written: {advice}")
        file.parent.mkdir()
        desk.store.put(NAME, token("second"))
        await desk.until(SinkWritten)
    assert file.read_text() == "second"


@pytest.mark.looptime
async def test_what_could_not_be_written_is_tried_again_within_seconds(tmp_path: Path) -> None:
    desk, file = Desk(), tmp_path / "token"
    file.mkdir()
    desk.store.put(NAME, token())
    async with desk.kept(file):
        await asyncio.sleep(1)
        (told,) = desk.told
        assert isinstance(told, SinkFailed)
        assert told.detail == f"{file} cannot be written: it is a directory; name the file in it"
        file.rmdir()
        await asyncio.sleep(10)
    assert file.read_text() == "first"


async def test_a_directory_that_may_not_be_written_to_is_told_with_the_user(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("rights: only root may become another user")
    tmp_path.chmod(0o755)
    desk, file = Desk(), tmp_path / "token"
    desk.store.put(NAME, token())
    os.seteuid(65532)
    try:
        fault = desk.sink(file)._apply(desk.store.get(NAME))
    finally:
        os.seteuid(0)
    assert fault == f"{file} cannot be written: uid 65532 may not write into {tmp_path}; correct its mode or owner"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.getuid() != 0:
        pytest.skip("rights: only root may mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount, umount = (shutil.which(program) or program for program in ("mount", "umount"))
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("rights: this sandbox may not mount")
    yield disk
    subprocess.run([umount, str(disk)], check=True)


async def test_a_full_disk_leaves_the_old_token_and_no_rubbish(small_disk: Path) -> None:
    desk, file = Desk(), small_disk / "token"
    async with desk.kept(file):
        desk.store.put(NAME, token("first"))
        await desk.until(SinkWritten)
        desk.store.put(NAME, token("x" * 100_000))
        (told,) = await desk.until(SinkFailed)
        assert told == SinkFailed(
            token=NAME, file=str(file), detail=f"{file} cannot be written: No space left on device"
        )
        assert (names(small_disk), file.read_text()) == (["token"], "first")


@pytest.mark.looptime
async def test_expired_token_is_removed_from_a_full_disk(small_disk: Path) -> None:
    loop = asyncio.get_running_loop()
    desk, file = Desk(lambda: EPOCH + loop.time()), small_disk / "token"
    async with desk.kept(file):
        desk.store.put(NAME, token(at=desk.now(), lifetime=300))
        await asyncio.sleep(200)
        desk.store.put(NAME, token("second", at=desk.now()))  # the disk has room for one
        await asyncio.sleep(94.9)
        assert (names(small_disk), file.read_text()) == (["token"], "first")
        await asyncio.sleep(0.2)
        assert names(small_disk) == []
        await asyncio.sleep(10)
        assert file.read_text() == "second"


@pytest.mark.looptime
async def test_token_of_unknown_age_is_removed_from_a_full_disk(small_disk: Path) -> None:
    loop = asyncio.get_running_loop()
    desk, file = Desk(lambda: EPOCH + loop.time()), small_disk / "token"
    file.write_text("old")
    desk.store.put(NAME, token("x" * 100_000, at=desk.now()))
    async with desk.kept(file):
        await asyncio.sleep(0.1)
        assert names(small_disk) == []
        await asyncio.sleep(25)
    assert [event.name for event in desk.told] == ["sink_failed"] * 3


async def test_nothing_told_holds_the_token(tmp_path: Path) -> None:
    desk, file = Desk(), tmp_path / "token"
    desk.store.put(NAME, token("s3cret"))
    async with desk.kept(file):
        await desk.until(SinkWritten)
    file.unlink()
    file.mkdir()
    async with desk.kept(file):
        await desk.until(SinkFailed)
    assert "s3cret" not in repr(desk.told)
