import asyncio
import time
from contextlib import suppress
from pathlib import Path

import pytest

from broker.core.errors import KeyFileError
from broker.core.events import KeyLoaded
from broker.core.settings import KeySettings
from broker.keys.files import stamp
from key_forms import (
    PASSPHRASE,
    an_assertion,
    encrypted_with_many_rounds,
    native,
    pem,
    private_members,
    public_members,
    segments,
    verifies,
)
from key_volume import Volume
from keys.watched import Watched, quiet_minutes, replace, text, until, watched

A, B = native("P-256"), native("P-256", 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key.jwk"
    path.write_bytes(text(A, kid="a"))
    return path


async def test_before_the_first_load_there_is_no_key(file: Path) -> None:
    keys = Watched(KeySettings(file=str(file))).keys
    with pytest.raises(KeyFileError, match="the key files of the client c have not been read yet"):
        keys.signers()
    assert keys.public_jwks() == {"keys": []}


async def test_a_loaded_key_is_told_with_its_thumbprint_and_signs(file: Path) -> None:
    it = Watched(KeySettings(file=str(file)))
    await it.keys.load()
    (signer,) = it.keys.signers()
    assert it.events == [
        KeyLoaded(client="c", file=str(file), kid="a", algorithm="ES256", thumbprint=signer.thumbprint)
    ]
    assert it.changes == 1
    assert verifies(public_members(A), await an_assertion(signer))
    assert it.keys.public_jwks() == {"keys": [{**public_members(A), "use": "sig", "alg": "ES256", "kid": "a"}]}


async def test_keys_keep_their_order_of_preference_and_a_bad_one_is_skipped(tmp_path: Path) -> None:
    for name, content in (("1", text(B, kid="b")), ("2", b"broken"), ("3", text(A, kid="a"))):
        (tmp_path / name).write_bytes(content)
    it = Watched(*(KeySettings(file=str(tmp_path / name)) for name in "123"))
    await it.keys.load()
    assert it.kids() == ["b", "a"]
    assert [key["kid"] for key in it.keys.public_jwks()["keys"]] == ["b", "a"]
    (refused,) = it.refused()
    assert (refused.file, refused.kept) == (str(tmp_path / "2"), False)


async def test_when_no_key_can_be_used_every_reason_is_said(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(b"broken")
    it = Watched(KeySettings(file=str(tmp_path / "1")), KeySettings(file=str(tmp_path / "2")))
    await it.keys.load()
    with pytest.raises(KeyFileError) as caught:
        it.keys.signers()
    assert str(caught.value).startswith(f"{tmp_path}/1 holds neither PEM nor a JWK")
    assert f"; {tmp_path}/2 does not exist" in str(caught.value)
    assert it.changes == 0


@pytest.mark.parametrize("entry", [{"kid": "mine"}, {"kid_file": "kid"}, {"kid": "mine", "kid_file": "kid"}])
async def test_the_kid_may_be_configured_or_in_a_file_of_its_own(tmp_path: Path, entry: dict[str, str]) -> None:
    (tmp_path / "key").write_bytes(pem(A))
    (tmp_path / "kid").write_text("mine\n")
    if "kid_file" in entry:
        entry = entry | {"kid_file": str(tmp_path / "kid")}
    it = Watched(KeySettings(file=str(tmp_path / "key"), **entry))
    await it.keys.load()
    assert segments(await an_assertion(it.keys.signers()[0]))[0]["kid"] == "mine"


async def test_no_kid_is_invented(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(pem(A))
    it = Watched(KeySettings(file=str(tmp_path / "key")))
    await it.keys.load()
    assert "kid" not in segments(await an_assertion(it.keys.signers()[0]))[0]


@pytest.mark.parametrize(("entry", "source"), [({"kid": "x"}, "the configured kid"), ({"kid_file": "kid"}, "kid")])
async def test_two_kids_that_disagree_are_refused(
    file: Path, tmp_path: Path, entry: dict[str, str], source: str
) -> None:
    (tmp_path / "kid").write_text("other")
    if "kid_file" in entry:
        entry = {"kid_file": str(tmp_path / "kid")}
        source = f"the key id in {tmp_path}/kid"
    it = Watched(KeySettings(file=str(file), **entry))
    await it.keys.load()
    assert it.refused()[0].detail == f"{file} says its kid is 'a', which is not {source}; correct one or drop it"


async def test_an_encrypted_key_is_opened_by_its_passphrase_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(pem(A, passphrase=PASSPHRASE))
    (tmp_path / "passphrase").write_bytes(PASSPHRASE + b"\n")
    it = Watched(KeySettings(file=str(tmp_path / "key"), passphrase_file=str(tmp_path / "passphrase")))
    await it.keys.load()
    assert len(it.keys.signers()) == 1


async def test_the_provider_s_algorithms_are_the_rule(file: Path) -> None:
    it = Watched(KeySettings(file=str(file)), algorithms=("RS256",))
    await it.keys.load()
    assert "the provider generic takes RS256" in it.refused()[0].detail


@pytest.mark.looptime
async def test_a_new_key_is_used_without_being_told_to(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        replace(file, text(B, kid="b"))
        await until(lambda: it.kids() == ["b"])
        assert it.loaded() == ["a", "b"]
        assert it.changes == 2
        assert verifies(public_members(B), await an_assertion(it.keys.signers()[0]))


async def test_a_new_key_is_seen_within_seconds(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        replace(file, text(B, kid="b"))
        async with asyncio.timeout(20):  # real ones: it is two, but machines of CI stall
            while it.kids() != ["b"]:
                await asyncio.sleep(0.05)


@pytest.mark.looptime
async def test_a_key_that_does_not_open_is_derived_once_and_not_every_minute(file: Path) -> None:
    passphrase = file.with_name("passphrase")
    passphrase.write_bytes(PASSPHRASE)
    async with watched(KeySettings(file=str(file), passphrase_file=str(passphrase))) as it:
        replace(file, encrypted_with_many_rounds(1_000_000))
        before = time.process_time()
        await until(it.refused)
        once = time.process_time() - before
        assert "is not opened by the passphrase" in it.refused()[0].detail
        await quiet_minutes(10)
        assert time.process_time() - before < 5 * once


@pytest.mark.looptime
async def test_an_untouched_key_is_loaded_once_and_told_once(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        before = it.keys.signers()[0]
        await quiet_minutes()
        file.touch()
        await quiet_minutes()
        assert it.loaded() == ["a"]
        assert it.changes == 1
        assert it.keys.signers()[0] is before


@pytest.mark.looptime
async def test_a_kubernetes_swap_brings_key_and_kid_together(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.write(key=pem(A), kid=b"a")
    async with watched(KeySettings(file=volume.key, kid_file=volume.kid)) as it:
        for number in range(6):
            key, kid = ((B, "b"), (A, "a"))[number % 2]
            volume.write(key=pem(key), kid=kid.encode())
            await until(lambda kid=kid: it.kids() == [kid])  # type: ignore[misc] # a lambda with a default
            assert it.keys.public_jwks()["keys"][0]["x"] == public_members(key)["x"]
        assert it.refused() == []


@pytest.mark.looptime
async def test_a_broken_new_file_keeps_the_old_key_and_is_told_once(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        file.write_bytes(text(B, kid="b")[:40])
        await until(it.refused)
        await quiet_minutes()
        (refused,) = it.refused()
        assert refused.kept
        assert refused.detail == f"{file} is not valid JSON, as if cut off; write it again, whole"
        assert it.kids() == ["a"]
        assert it.changes == 1


@pytest.mark.looptime
async def test_a_half_written_file_is_used_once_it_is_whole(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        whole = text(B, kid="b")
        with file.open("wb") as writer:
            for part in (whole[:50], whole[50:80], whole[80:]):
                writer.write(part)
                writer.flush()
                await asyncio.sleep(5)
                time.sleep(0.05)  # noqa: ASYNC251 - lets the thread that reads finish
        await until(lambda: it.kids() == ["b"])
        assert it.loaded() == ["a", "b"]


@pytest.mark.looptime
async def test_another_broken_content_is_told_too(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        for number in range(1, 4):
            file.write_bytes(b"broken" * number)
            await until(lambda number=number: len(it.refused()) == number)  # type: ignore[misc] # a lambda with a default


@pytest.mark.looptime
async def test_a_deleted_file_keeps_the_old_key_and_its_return_is_told(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        content = file.read_bytes()
        file.unlink()
        await until(it.refused)
        await quiet_minutes()
        (refused,) = it.refused()
        assert "does not exist" in refused.detail
        assert refused.kept
        assert it.kids() == ["a"]
        file.write_bytes(content)
        await until(lambda: it.loaded() == ["a", "a"])
        await quiet_minutes()
        assert it.loaded() == ["a", "a"]
        assert it.changes == 1
        file.unlink()
        await until(lambda: len(it.refused()) == 2)


@pytest.mark.looptime
async def test_a_file_that_appears_later_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "later"
    async with watched(KeySettings(file=str(file))) as it:
        assert [event.kept for event in it.refused()] == [False]
        file.write_bytes(text(A, kid="a"))
        await until(it.loaded)
        assert it.kids() == ["a"]


@pytest.mark.looptime
async def test_a_rewrite_that_leaves_the_stamp_as_it_was_is_found_within_a_minute(file: Path) -> None:
    async with watched(KeySettings(file=str(file))) as it:
        replace(file, text(B, kid="b"))
        (entry,) = it.keys._entries
        entry.stamp = stamp(entry.settings)  # two writes within one tick of the file system's clock look like this
        start = asyncio.get_running_loop().time()
        await until(lambda: it.kids() == ["b"])
        assert 30 < asyncio.get_running_loop().time() - start <= 62


@pytest.mark.looptime
async def test_a_new_kid_file_alone_is_a_new_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(pem(A))
    (tmp_path / "kid").write_text("a")
    async with watched(KeySettings(file=str(tmp_path / "key"), kid_file=str(tmp_path / "kid"))) as it:
        (tmp_path / "kid").write_text("b")
        await until(lambda: it.kids() == ["b"])
        assert it.changes == 2


@pytest.mark.looptime
async def test_a_passphrase_that_comes_after_its_key_opens_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(pem(A))
    (tmp_path / "passphrase").write_text("not yet")
    entry = KeySettings(file=str(tmp_path / "key"), passphrase_file=str(tmp_path / "passphrase"))
    async with watched(entry) as it:
        (tmp_path / "key").write_bytes(pem(B, passphrase=PASSPHRASE))
        await until(it.refused)
        (tmp_path / "passphrase").write_bytes(PASSPHRASE)
        await until(lambda: it.changes == 2)
        assert it.keys.public_jwks()["keys"][0]["x"] == public_members(B)["x"]


@pytest.mark.looptime
async def test_one_bad_key_does_not_keep_another_from_changing(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(b"broken")
    (tmp_path / "2").write_bytes(text(A, kid="a"))
    async with watched(*(KeySettings(file=str(tmp_path / name)) for name in "12")) as it:
        (tmp_path / "2").write_bytes(text(B, kid="b"))
        await until(lambda: it.kids() == ["b"])
        (tmp_path / "1").write_bytes(text(A, kid="a"))
        await until(lambda: it.kids() == ["a", "b"])


async def test_reload_looks_at_once_and_says_again_what_is_wrong(file: Path) -> None:
    it = Watched(KeySettings(file=str(file)))
    await it.keys.load()
    await it.keys.load()
    assert it.loaded() == ["a"]
    replace(file, text(B, kid="b"))
    await it.keys.load()
    assert it.loaded() == ["a", "b"]
    file.write_bytes(b"")
    await it.keys.load()
    await it.keys.load()
    assert [event.kept for event in it.refused()] == [True, True]
    replace(file, text(B, kid="b"))
    await it.keys.load()
    assert it.loaded() == ["a", "b", "b"]
    assert it.changes == 2


async def test_readings_that_meet_wait_for_each_other(file: Path) -> None:
    it = Watched(KeySettings(file=str(file)))
    await asyncio.gather(*(it.keys.load() for _ in range(5)))
    assert it.loaded() == ["a"]


async def test_swapping_a_large_key_hardly_costs_the_loop(tmp_path: Path) -> None:
    large, file = native("RSA", bits=4096), tmp_path / "key"
    file.write_bytes(text(A))
    it = Watched(KeySettings(file=str(file)))
    await it.keys.load()
    for content in (text(large), pem(large)):
        replace(file, content)
        before, everywhere = time.thread_time(), time.process_time()
        await it.keys.load()
        loop = time.thread_time() - before
        assert loop < 0.010
        assert loop < (time.process_time() - everywhere) / 2
        assert it.keys.signers()[0].algorithm == "RS256"
    assert len(it.loaded()) == 3


async def test_loading_a_large_key_is_cheap_in_every_thread(tmp_path: Path) -> None:
    large, file = native("RSA", bits=4096), tmp_path / "key"
    file.write_bytes(text(large))
    it = Watched(KeySettings(file=str(file)))
    await it.keys.load()  # the thread is there
    file.write_bytes(pem(large))
    before = time.process_time()
    await it.keys.load()
    assert time.process_time() - before < 0.1  # OpenSSL's check alone would be 0.29


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="platform: descriptors are counted in /proc")
async def test_no_descriptor_is_left_open(file: Path) -> None:
    it = Watched(KeySettings(file=str(file)))
    await it.keys.load()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(60):
        file.write_bytes((b"broken", text(A), b"x" * 70000)[number % 3])
        await it.keys.load()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_no_secret_is_in_what_is_told_or_raised(tmp_path: Path) -> None:
    key, passphrase = tmp_path / "key", tmp_path / "passphrase"
    passphrase.write_bytes(PASSPHRASE)
    it = Watched(KeySettings(file=str(key), passphrase_file=str(passphrase), kid="k1"))
    rsa = native("RSA")
    contents = [text(rsa), text(rsa)[:-20], text(rsa, use="enc"), text(rsa, d="x" + private_members(rsa)["d"])]
    contents += [pem(rsa), pem(rsa)[:-80], pem(rsa, passphrase=PASSPHRASE), pem(rsa, passphrase=b"other")]
    shown = []
    for content in contents:
        key.write_bytes(content)
        await it.keys.load()
        shown += [repr(it.keys), repr(it.keys.__dict__), str(it.keys.public_jwks())]
        with suppress(KeyFileError):
            shown.append(repr(it.keys.signers()))
    told = repr(it.events) + "".join(shown)
    secrets = [value[:8] for value in private_members(rsa).values()]
    secrets += [line[:8] for line in pem(rsa).decode().splitlines()[2:-1]] + [PASSPHRASE.decode()]
    assert not [secret for secret in secrets if secret in told]
    assert len(it.events) >= 7
