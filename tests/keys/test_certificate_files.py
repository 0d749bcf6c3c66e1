"""A certificate beside its key, while both files may change."""

from pathlib import Path

import pytest

from broker.core.events import CertificateExpiring, KeyLoaded
from broker.core.settings import KeySettings
from broker.keys.certificate import DAY
from broker.keys.watch import KeyFiles
from certificates import certificate_of, pem_of
from key_forms import an_assertion, native, pem, public_members, segments, verifies
from key_volume import Volume
from keys.watched import Watched, quiet_minutes, replace, until, watched

A, B = native("RSA"), native("RSA", 1)
START = 1.79e9
END = START + 365 * DAY
OF_A = pem_of(certificate_of(A, not_before=START, not_after=END))
OF_B = pem_of(certificate_of(B, not_before=START, not_after=END))


@pytest.fixture
def entry(tmp_path: Path) -> KeySettings:
    (tmp_path / "key.pem").write_bytes(pem(A))
    (tmp_path / "certificate.pem").write_bytes(OF_A)
    return KeySettings(file=str(tmp_path / "key.pem"), certificate_file=str(tmp_path / "certificate.pem"))


def certificate(entry: KeySettings) -> Path:
    return Path(entry.certificate_file or "")


async def test_the_assertion_names_the_certificate_and_no_kid(entry: KeySettings) -> None:
    it = Watched(entry)
    await it.keys.load()
    (signer,) = it.keys.signers()
    made = await an_assertion(signer)
    assert segments(made)[0] == {"alg": "RS256", "typ": "JWT", "x5t#S256": signer.x5t}
    assert verifies(public_members(A), made)


async def test_what_is_loaded_is_told_with_thumbprint_and_end(entry: KeySettings) -> None:
    it = Watched(entry)
    await it.keys.load()
    (told,) = it.events
    assert isinstance(told, KeyLoaded)
    assert (told.x5t, told.not_after) == (it.keys.signers()[0].x5t, END)
    (state,) = it.keys.states()
    assert state.certificate is not None
    assert state.certificate.not_after == END


async def test_a_key_without_certificate_names_none(entry: KeySettings) -> None:
    it = Watched(KeySettings(file=entry.file))
    await it.keys.load()
    assert it.keys.signers()[0].x5t is None
    assert "x5t#S256" not in segments(await an_assertion(it.keys.signers()[0]))[0]
    assert it.keys.states()[0].certificate is None


async def test_the_certificate_of_another_key_is_refused_by_its_own_name(entry: KeySettings) -> None:
    certificate(entry).write_bytes(OF_B)
    it = Watched(entry)
    await it.keys.load()
    (refused,) = it.refused()
    assert refused.detail == (
        f"{entry.certificate_file} holds the certificate of another key than the one in {entry.file};"
        " name the one issued for it"
    )
    assert not refused.kept


async def test_a_missing_certificate_is_named(entry: KeySettings) -> None:
    certificate(entry).unlink()
    it = Watched(entry)
    await it.keys.load()
    assert it.refused()[0].detail.startswith(f"{entry.certificate_file} does not exist; ")


@pytest.mark.looptime
@pytest.mark.parametrize("content", [b"broken", OF_B])
async def test_a_bad_new_certificate_keeps_the_old_one_and_its_key(entry: KeySettings, content: bytes) -> None:
    async with watched(entry) as it:
        before = it.keys.signers()
        replace(certificate(entry), content)
        await until(it.refused)
        await quiet_minutes(2)
        (refused,) = it.refused()
        assert refused.kept
        assert it.keys.signers() == before
        replace(certificate(entry), OF_A)
        await until(lambda: len(it.loaded()) == 2)
        assert it.keys.signers() == before


@pytest.mark.looptime
async def test_a_renewed_certificate_of_the_same_key_is_used_and_the_old_one_kept_behind(entry: KeySettings) -> None:
    async with watched(entry) as it:
        (old,) = it.keys.signers()
        replace(certificate(entry), pem_of(certificate_of(A, not_before=START, not_after=END + DAY)))
        await until(lambda: len(it.loaded()) == 2)
        new, behind = it.keys.signers()
        assert behind is old
        assert new.x5t != old.x5t
        assert segments(await an_assertion(new))[0]["x5t#S256"] == new.x5t
        it.keys.accepted(new)
        assert it.keys.signers() == [new]


@pytest.mark.looptime
async def test_a_kubernetes_swap_brings_key_and_certificate_together(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.write(key=pem(A), certificate=OF_A)
    async with watched(KeySettings(file=volume.key, certificate_file=volume.certificate)) as it:
        for key, chain in ((B, OF_B), (A, OF_A), (B, OF_B)):
            volume.write(key=pem(key), certificate=chain)
            wanted = public_members(key)["n"]
            await until(lambda wanted=wanted: it.keys.public_jwks()["keys"][0]["n"] == wanted)  # type: ignore[misc] # a lambda with a default
            it.keys.accepted(it.keys.signers()[0])
        assert it.refused() == []


@pytest.mark.looptime
async def test_key_and_certificate_that_come_one_after_the_other_are_used_once_both_are_there(
    entry: KeySettings,
) -> None:
    async with watched(entry) as it:
        replace(Path(entry.file), pem(B))
        await until(it.refused)
        assert it.refused()[0].kept
        replace(certificate(entry), OF_B)
        await until(lambda: len(it.loaded()) == 2)
        assert it.keys.public_jwks()["keys"][0]["n"] == public_members(B)["n"]


@pytest.mark.looptime
async def test_that_it_expires_is_told_a_month_ahead_and_then_once_a_day(entry: KeySettings) -> None:
    async with watched(entry, wall=END - 30 * DAY - 90) as it:
        await quiet_minutes(1)
        assert it.expiring() == []
        it.wall += 120
        await until(it.expiring)
        await quiet_minutes(5)
        assert it.expiring() == [29]
        it.wall += DAY
        await until(lambda: it.expiring() == [29, 28])
        assert it.keys.signers()


@pytest.mark.looptime
async def test_an_expired_certificate_is_told_and_still_used(entry: KeySettings) -> None:
    async with watched(entry, wall=END + 60) as it:
        assert it.events[1] == CertificateExpiring(
            client="c", file=entry.certificate_file or "", not_after=END, days_left=-1
        )
        await quiet_minutes(2)
        assert it.expiring() == [-1]
        assert segments(await an_assertion(it.keys.signers()[0]))[0]["x5t#S256"]


@pytest.mark.looptime
async def test_a_new_certificate_ends_the_warnings(entry: KeySettings) -> None:
    async with watched(entry, wall=END - DAY / 2) as it:
        assert it.expiring() == [0]
        replace(certificate(entry), pem_of(certificate_of(A, not_before=START, not_after=END + 365 * DAY)))
        await until(lambda: len(it.loaded()) == 2)
        it.wall += DAY
        await quiet_minutes(2)
        assert it.expiring() == [0]


async def test_who_asks_is_told_again(entry: KeySettings) -> None:
    it = Watched(entry, wall=END - DAY)
    await it.keys.load()
    await it.keys.load()
    assert it.expiring() == [1, 1]


async def test_the_clock_on_the_wall_decides(entry: KeySettings) -> None:
    certificate(entry).write_bytes(pem_of(certificate_of(A, not_before=1.6e9, not_after=1.7e9)))
    told: list[object] = []
    keys = KeyFiles("c", [entry], provider="generic", algorithms=(), observe=told.append)
    await keys.load()
    assert any(isinstance(event, CertificateExpiring) for event in told)
