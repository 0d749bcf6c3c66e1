"""Files that cannot be understood at all, and volumes that do not answer: the good key stays in use."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from broker.core.settings import KeySettings
from key_forms import native
from keys.watched import Watched, replace, text, until, watched

A, B = native("P-256"), native("P-256", 1)


class Mount:
    """Whether what is below `folder` answers. The system's own call waits, as it does for a server that is gone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers = threading.Event()
        self.answers.set()
        self.waiting = 0

    def wait(self, path: Path) -> None:
        if path.is_relative_to(self.folder) and not self.answers.is_set():
            self.waiting += 1
            self.answers.wait(timeout=15)
            self.waiting -= 1


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mount]:
    folder = tmp_path / "mount"
    folder.mkdir()
    (folder / "key").write_bytes(text(A, kid="a"))
    made, stat = Mount(folder), Path.stat

    def slow(path: Path, **how: Any) -> Any:
        made.wait(path)
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", slow)
    monkeypatch.setattr("broker.keys.watch.READ_TIMEOUT", 0.2)
    yield made
    made.answers.set()


def said(*files: Path) -> str:
    return f"{' or '.join(map(str, files))} does not answer within 0.2 s; is the volume still there?"


@pytest.mark.parametrize("content", [{"type": []}, {"type": {}}, {"type": [["service_account"]]}])
async def test_a_type_of_no_kind_that_files_have_is_refused_and_keeps_the_key(tmp_path: Path, content: object) -> None:
    file = tmp_path / "key"
    file.write_bytes(text(A, kid="a"))
    it = Watched(KeySettings(file=str(file)))
    await it.keys.load()
    replace(file, json.dumps(content).encode())
    await it.keys.load()
    assert [event.kept for event in it.refused()] == [True]
    assert it.kids() == ["a"]


async def test_what_nobody_foresaw_is_a_refusal_without_its_text_and_keeps_the_key(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(text(A, kid="a"))
    # No configuration has such an algorithm: joining their names, for the sentence about the next key, is a TypeError.
    it = Watched(KeySettings(file=str(file)), algorithms=cast("tuple[str, ...]", ("ES256", b"S3CRET")))
    await it.keys.load()
    replace(file, text(native("RSA"), kid="b"))
    await it.keys.load()
    (refused,) = it.refused()
    unforeseen = "cannot be used: it is damaged in a way that was not foreseen; make or export it again"
    assert (refused.detail, refused.kept) == (f"{file} {unforeseen}", True)
    assert it.kids() == ["a"]


@pytest.mark.looptime
@pytest.mark.slow
async def test_a_lost_volume_is_told_once_and_its_key_stays(mount: Mount) -> None:
    file = mount.folder / "key"
    async with watched(KeySettings(file=str(file), passphrase_file=str(mount.folder / "word"))) as it:
        mount.folder.joinpath("word").write_text("word")
        await until(lambda: it.kids() == ["a"])
        it.events.clear()
        mount.answers.clear()
        await until(it.refused)
        await asyncio.sleep(6)  # real seconds, while a thread hangs
        (refused,) = it.refused()
        assert (refused.detail, refused.kept) == (said(file, mount.folder / "word"), True)
        assert it.order() == ["a"]


@pytest.mark.looptime
async def test_a_volume_that_answers_again_is_told_and_its_new_key_used(mount: Mount) -> None:
    file = mount.folder / "key"
    async with watched(KeySettings(file=str(file))) as it:
        mount.answers.clear()
        await until(it.refused)
        replace(file, text(B, kid="b"))
        mount.answers.set()
        await until(lambda: it.kids() == ["b"])
        assert all(state.refusal is None for state in it.keys.states())


async def test_a_lost_volume_never_holds_up_the_loop(mount: Mount) -> None:
    async with watched(KeySettings(file=str(mount.folder / "key"))) as it:
        mount.answers.clear()
        longest, last = 0.0, time.monotonic()
        async with asyncio.timeout(12):
            while not it.refused():
                await asyncio.sleep(0.01)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
        assert longest < 1


@pytest.mark.looptime
@pytest.mark.slow
async def test_no_more_threads_hang_than_one_for_each_entry_and_one_that_looked(mount: Mount) -> None:
    async with watched(KeySettings(file=str(mount.folder / "key"))) as it:
        mount.answers.clear()
        await until(it.refused)
        await asyncio.sleep(6)
        await it.keys.load()
        assert mount.waiting == 2


@pytest.mark.looptime
@pytest.mark.parametrize("lost_first", [True, False])
async def test_a_lost_volume_keeps_no_other_key_from_changing(
    mount: Mount, tmp_path: Path, *, lost_first: bool
) -> None:
    other = tmp_path / "other"
    other.write_bytes(text(B, kid="b"))
    files = (mount.folder / "key", other) if lost_first else (other, mount.folder / "key")
    async with watched(*(KeySettings(file=str(file)) for file in files)) as it:
        mount.answers.clear()
        await until(it.refused)
        replace(other, text(native("P-256", 2), kid="c"))
        await until(lambda: "c" in it.kids())


async def test_a_volume_that_is_lost_at_the_start_is_told_and_the_others_keys_are_there(
    mount: Mount, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_bytes(text(B, kid="b"))
    it = Watched(KeySettings(file=str(mount.folder / "key")), KeySettings(file=str(other)))
    mount.answers.clear()
    async with asyncio.timeout(10):
        await it.keys.load()
    (refused,) = it.refused()
    assert (refused.detail, refused.kept) == (said(mount.folder / "key"), False)
    assert it.order() == ["b"]


async def test_being_asked_again_tells_a_lost_volume_again_and_takes_what_it_then_has(mount: Mount) -> None:
    it = Watched(KeySettings(file=str(mount.folder / "key")))
    mount.answers.clear()
    await it.keys.load()
    await it.keys.load()
    assert len(it.refused()) == 2
    mount.answers.set()
    await it.keys.load()
    assert it.loaded() == ["a"]


@pytest.mark.looptime
async def test_a_reading_that_takes_longer_than_patience_counts_when_it_is_through(mount: Mount) -> None:
    mount.answers.clear()
    async with watched(KeySettings(file=str(mount.folder / "key"))) as it:
        assert it.refused()
        mount.answers.set()
        await until(lambda: it.kids() == ["a"])


async def test_lost_volumes_use_up_no_thread_that_others_need(mount: Mount) -> None:
    lost = [Watched(KeySettings(file=str(mount.folder / "key"))) for _ in range(40)]
    mount.answers.clear()
    await asyncio.gather(*(it.keys.load() for it in lost))
    assert mount.waiting == 40
    async with asyncio.timeout(5):
        assert await asyncio.to_thread(lambda: "resolved") == "resolved"
