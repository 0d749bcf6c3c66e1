import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.core.errors import KeyFileError
from broker.core.settings import KeySettings
from broker.keys.files import MAX_BYTES, read, stamp
from key_volume import Volume


@pytest.fixture
def entry(tmp_path: Path) -> KeySettings:
    for name in ("key", "kid", "passphrase"):
        (tmp_path / name).write_text(f"the {name}\n")
    return KeySettings(
        file=str(tmp_path / "key"), kid_file=str(tmp_path / "kid"), passphrase_file=str(tmp_path / "passphrase")
    )


def refusal(entry: KeySettings) -> str:
    with pytest.raises(KeyFileError) as caught:
        read(entry)
    return str(caught.value)


def test_key_and_what_belongs_to_it_are_read_together(entry: KeySettings) -> None:
    content = read(entry)
    assert content.key == b"the key\n"
    assert content.kid == "the kid"
    assert content.passphrase == b"the passphrase"


def test_what_is_not_named_is_not_there(entry: KeySettings) -> None:
    content = read(KeySettings(file=entry.file, kid="k1"))
    assert (content.kid, content.passphrase) == ("k1", None)


def test_the_contents_are_not_shown(entry: KeySettings) -> None:
    assert "the key" not in repr(read(entry))
    assert "the passphrase" not in repr(read(entry))


@pytest.mark.parametrize("name", ["file", "kid_file", "passphrase_file"])
def test_the_digest_tells_any_change(entry: KeySettings, name: str) -> None:
    before = read(entry).digest
    assert read(entry).digest == before
    Path(getattr(entry, name)).write_text("another\n")
    assert read(entry).digest != before


def test_the_digest_tells_which_file_says_what(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    one = KeySettings(file=str(tmp_path / "a"), passphrase_file=str(tmp_path / "b"))
    other = KeySettings(file=str(tmp_path / "b"), passphrase_file=str(tmp_path / "a"))
    assert read(one).digest != read(other).digest


@pytest.mark.parametrize("name", ["file", "kid_file", "passphrase_file"])
def test_a_missing_file_is_named(entry: KeySettings, name: str) -> None:
    path = getattr(entry, name)
    Path(path).unlink()
    assert refusal(entry).startswith(f"{path} does not exist; ")


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    assert "is no regular file" in refusal(KeySettings(file=str(tmp_path)))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="platform: no named pipes")
def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in refusal(KeySettings(file=str(tmp_path / "pipe")))


def test_a_file_below_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be read: Not a directory" in refusal(KeySettings(file=str(tmp_path / "file" / "key")))


def test_an_impossible_name_cannot_be_read() -> None:
    assert "cannot be read" in refusal(KeySettings(file="/tmp/a\0b"))  # noqa: S108 - no file is made


def test_the_size_is_limited(entry: KeySettings) -> None:
    Path(entry.file).write_bytes(b"x" * MAX_BYTES)
    assert len(read(entry).key) == MAX_BYTES
    Path(entry.file).write_bytes(b"x" * (MAX_BYTES + 1))
    assert "is larger than 65536 bytes" in refusal(entry)


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"a\nb\n", b"\xff\xfe", b"x" * 256, b'{"kty":"EC"}', b"-----BEGIN PRIVATE KEY-----"]
)
def test_a_kid_file_that_holds_something_else_is_refused_and_not_shown(entry: KeySettings, content: bytes) -> None:
    Path(entry.kid_file or "").write_bytes(content)
    assert refusal(entry) == f"{entry.kid_file} must hold the key id, one printable line, and nothing else"


def test_an_empty_passphrase_file_is_refused(entry: KeySettings) -> None:
    Path(entry.passphrase_file or "").write_text("\n")
    assert "is empty; write the passphrase into it" in refusal(entry)


def test_a_passphrase_keeps_its_spaces(entry: KeySettings) -> None:
    Path(entry.passphrase_file or "").write_text(" two words \r\n")
    assert read(entry).passphrase == b" two words "


def test_kid_and_kid_file_must_agree(entry: KeySettings) -> None:
    assert read(KeySettings(file=entry.file, kid="the kid", kid_file=entry.kid_file)).kid == "the kid"
    said = refusal(KeySettings(file=entry.file, kid="k1", kid_file=entry.kid_file))
    assert "than the configured kid 'k1'" in said
    assert "the kid" not in said


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="platform: no file modes")
def test_a_file_that_may_not_be_read_says_who_tried(tmp_path: Path) -> None:
    file, me = tmp_path / "key", os.geteuid()
    file.touch(mode=0o000)
    try:
        if me == 0:  # root reads everything
            os.seteuid(65534)
        said = refusal(KeySettings(file=str(file)))
    finally:
        os.seteuid(me)
    assert said == (
        f"{file} may not be read by uid {me or 65534}; correct its mode or owner"
        " (in Kubernetes: securityContext.fsGroup)"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_text("longer than it was\n"),
        lambda file: file.write_text("THE KEY\n"),
        lambda file: file.chmod(0o400),
        lambda file: file.unlink(),
        lambda file: os.utime(file, ns=(1, 1)),
    ],
)
def test_the_stamp_tells_changes(entry: KeySettings, change: Callable[[Path], object]) -> None:
    before = stamp(entry)
    assert stamp(entry) == before
    change(Path(entry.file))
    assert stamp(entry) != before


def test_the_stamp_tells_a_swap_of_the_folder(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.write(key=b"1")
    entry = KeySettings(file=volume.key)
    before = stamp(entry)
    volume.write(key=b"1")
    assert stamp(entry) != before


def test_key_and_kid_always_come_from_one_version_of_the_folder(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.write(key=b"0", kid=b"0")
    entry = KeySettings(file=volume.key, kid_file=volume.kid)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            number = str(volume.version).encode()
            volume.write(key=number * 1000, kid=number)

    swapping = threading.Thread(target=swap)
    swapping.start()
    pairs: list[tuple[bytes, bytes]] = []
    try:
        while len(pairs) < 1000 or len(set(pairs)) < 30:
            try:
                content = read(entry)
            except KeyFileError as error:
                assert "keeps changing" in str(error)  # noqa: PT017 - a reader may be unlucky, never wrong
            else:
                pairs.append((content.key, (content.kid or "").encode()))
    finally:
        stop.set()
        swapping.join()
    assert all(key in {kid, kid * 1000} for key, kid in pairs)


def test_a_file_that_never_rests_is_given_up_for_now(entry: KeySettings) -> None:
    stop = threading.Event()

    def touch() -> None:
        time = 0
        while not stop.is_set():
            time += 1
            os.utime(entry.file, ns=(time, time))

    touching = threading.Thread(target=touch)
    touching.start()
    try:
        said = ""
        while not said:
            try:
                read(entry)
            except KeyFileError as error:
                said = str(error)
    finally:
        stop.set()
        touching.join()
    assert said == f"{entry.file} keeps changing while it is read; it is tried again"
