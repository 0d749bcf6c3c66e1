"""What the broker signs with while the files of a client's keys change under it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.events import KeyLoaded, KeyRetired
from broker.core.settings import KeySettings
from broker.core.signer import Signer
from broker.keys.watch import KeyFiles
from key_forms import native, pem
from keys.watched import Watched, quiet_minutes, replace, text, until, watched

A, B, C = (native("P-256", number) for number in range(3))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key.jwk"
    path.write_bytes(text(A, kid="a"))
    return path


@pytest.mark.looptime
async def test_the_key_before_stays_behind_the_new_one_until_that_is_accepted(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        replace(file, text(B, kid="b"))
        await until(lambda: it.kids() == ["b"])
        assert it.order() == ["b", "a"]
        new, old = it.keys.signers()
        it.keys.accepted(old)
        await quiet_minutes(2)
        assert it.order() == ["b", "a"]
        it.keys.accepted(new)
        assert it.order() == ["b"]


async def test_a_key_that_is_used_no_more_is_told_once(file: Path) -> None:
    it = Watched(KeySettings(file=str(file)))
    await it.keys.load()
    replace(file, text(B, kid="b"))
    await it.keys.load()
    assert it.retired() == []
    for _ in range(2):
        it.keys.accepted(it.keys.signers()[0])
    assert it.events[-1] == KeyRetired(client="c", file=str(file), kid="a", algorithm="ES256")
    assert it.retired() == ["a"]


async def test_a_key_that_was_never_accepted_is_told_when_another_one_takes_its_place(file: Path) -> None:
    it = Watched(KeySettings(file=str(file)))
    await it.keys.load()
    it.keys.accepted(it.keys.signers()[0])
    for key, kid in ((B, "b"), (C, "c")):
        replace(file, text(key, kid=kid))
        await it.keys.load()
    assert it.order() == ["c", "a"]
    assert it.retired() == ["b"]
    assert isinstance(it.events[-2], KeyLoaded)


@pytest.mark.looptime
async def test_that_a_key_was_accepted_wakes_nobody(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        replace(file, text(B, kid="b"))
        await until(lambda: it.changes == 2)
        it.keys.accepted(it.keys.signers()[0])
        await quiet_minutes(2)
        assert it.changes == 2


@pytest.mark.looptime
async def test_a_broken_file_changes_neither_the_key_nor_the_one_behind_it(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        replace(file, text(B, kid="b"))
        await until(lambda: it.kids() == ["b"])
        replace(file, b"broken")
        await until(it.refused)
        assert it.order() == ["b", "a"]


@pytest.mark.looptime
async def test_a_key_that_is_put_back_is_preferred_again(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        first = it.keys.signers()[0]
        replace(file, text(B, kid="b"))
        await until(lambda: it.kids() == ["b"])
        replace(file, text(A, kid="a"))
        await until(lambda: it.kids() == ["a"])
        assert it.order() == ["a", "b"]
        assert it.keys.signers()[0] is first
        assert it.loaded() == ["a", "b", "a"]


@pytest.mark.looptime
async def test_the_same_key_in_another_form_is_told_and_no_other_key(file: Path) -> None:
    async with watched(KeySettings(file=str(file), kid="a")) as it:
        before = it.keys.signers()
        replace(file, pem(A))
        await until(lambda: it.loaded() == ["a", "a"])
        assert it.keys.signers() == before
        assert it.changes == 1


async def test_several_entries_each_have_their_own_behind_them(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "12"]
    for path, content in zip(files, (text(A, kid="a"), text(B, kid="b")), strict=True):
        path.write_bytes(content)
    it = Watched(*(KeySettings(file=str(path)) for path in files))
    await it.keys.load()
    assert it.order() == ["a", "b"]
    replace(files[0], text(C, kid="c"))
    replace(files[1], text(C, kid="d"))
    await it.keys.load()
    assert it.order() == ["c", "a", "d", "b"]
    it.keys.accepted(it.keys.signers()[2])
    assert it.order() == ["c", "a", "d"]


async def test_a_key_that_moves_from_one_file_to_another_is_used_once(tmp_path: Path) -> None:
    """As with a "current" and a "next" file: the second becomes the first, and is still behind its replacement."""
    files = [tmp_path / name for name in ("current", "next")]
    for path, content in zip(files, (text(A, kid="a"), text(B, kid="b")), strict=True):
        path.write_bytes(content)
    it = Watched(*(KeySettings(file=str(path)) for path in files))
    await it.keys.load()
    replace(files[0], text(B, kid="b"))
    replace(files[1], text(C, kid="c"))
    await it.keys.load()
    assert it.order() == ["b", "a", "c"]
    it.keys.accepted(it.keys.signers()[0])
    assert it.order() == ["b", "c"]


async def test_the_published_keys_are_all_that_may_sign(file: Path) -> None:
    it = Watched(KeySettings(file=str(file)))
    await it.keys.load()
    replace(file, text(B, kid="b"))
    await it.keys.load()
    assert [jwk["kid"] for jwk in it.keys.public_jwks()["keys"]] == ["b", "a"]
    it.keys.accepted(it.keys.signers()[0])
    assert [jwk["kid"] for jwk in it.keys.public_jwks()["keys"]] == ["b"]


async def test_no_two_published_keys_have_the_same_kid(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(pem(A))
    it = Watched(KeySettings(file=str(tmp_path / "key"), kid="same"))
    await it.keys.load()
    (published,) = it.keys.public_jwks()["keys"]
    replace(tmp_path / "key", pem(B))
    await it.keys.load()
    assert it.order() == ["same", "same"]
    (now,) = it.keys.public_jwks()["keys"]
    assert now["x"] != published["x"]


async def test_keys_without_a_kid_are_published_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(pem(A))
    (tmp_path / "2").write_bytes(pem(B))
    it = Watched(KeySettings(file=str(tmp_path / "1")), KeySettings(file=str(tmp_path / "2")))
    await it.keys.load()
    assert len(it.keys.public_jwks()["keys"]) == 2


SWAP = st.tuples(st.integers(0, 1), st.integers(0, 3))
#: Which of the keys that are used just then the server accepts.
ACCEPT = st.integers(0, 3)


@given(steps=st.lists(SWAP | ACCEPT, max_size=12))
async def test_whatever_is_swapped_and_accepted_the_files_keys_come_first_and_an_accepted_one_is_kept(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int] | int]
) -> None:
    folder = tmp_path_factory.mktemp("keys")
    files = [folder / "1", folder / "2"]
    for number, path in enumerate(files):
        path.write_bytes(text(native("P-256", number), kid=f"k{number}"))
    it = Watched(*(KeySettings(file=str(path)) for path in files))
    await it.keys.load()
    good: Signer | None = None
    for step in steps:
        if isinstance(step, tuple):
            entry, number = step
            replace(files[entry], text(native("P-256", number), kid=f"k{number}"))
            await it.keys.load()
        else:
            signers = it.keys.signers()
            good = signers[step % len(signers)]
            it.keys.accepted(good)
        order = it.order()
        assert order[0] == it.kids()[0]
        assert set(it.kids()) <= set(order)
        assert len(set(order)) == len(order) <= 4
        assert good is None or good.kid in order


def test_a_client_without_key_files_has_no_key() -> None:
    keys = KeyFiles("c", [], provider="generic", algorithms=(), observe=lambda _event: None)
    assert keys.public_jwks() == {"keys": []}
