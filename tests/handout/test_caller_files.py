"""Files with secrets: what they may hold, and how the broker makes one."""

import os
import re
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.workload_api.callers import secrets
from broker.workload_api.callers.secrets import CallerFileError, create, digest, read
from key_volume import Volume

ONE, OTHER = b"0123456789abcdef", b"another-secret-of-a-caller"


def write(folder: Path, content: bytes) -> str:
    (folder / "secret").write_bytes(content)
    return str(folder / "secret")


@pytest.mark.parametrize("content", [ONE, ONE + b"\n", b"\n " + ONE + b" \r\n\n"])
def test_a_file_has_a_secret_and_white_space_around_it_is_none_of_it(content: bytes, tmp_path: Path) -> None:
    assert read(write(tmp_path, content)) == {digest(ONE)}


def test_two_lines_are_two_valid_secrets(tmp_path: Path) -> None:
    assert read(write(tmp_path, ONE + b"\n" + OTHER + b"\n")) == {digest(ONE), digest(OTHER)}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "must hold one secret, or two lines"),
        (b"\n \n", "must hold one secret, or two lines"),
        (b"\n".join([ONE, OTHER, ONE + b"3"]), "must hold one secret, or two lines"),
        (b"fifteen-bytes-x", "holds a secret of less than 16 bytes; make one with: openssl rand -hex 32"),
        (ONE + b"\nshort", "holds a secret of less than 16 bytes"),
        (b"several words of a sentence", "holds a secret with a space or a character beyond ASCII"),
        ("sécret-sécret-sécret".encode(), "holds a secret with a space or a character beyond ASCII"),
        (ONE + b"\x00", "holds a secret with a space or a character beyond ASCII"),
        (ONE + b"\n" + ONE, "holds the same secret twice"),
        (b"x" * 4097, "is larger than 4096 bytes"),
    ],
)
def test_what_is_wrong_with_a_file_is_a_sentence_that_names_it_and_quotes_nothing(
    content: bytes, complaint: str, tmp_path: Path
) -> None:
    file = write(tmp_path, content)
    with pytest.raises(CallerFileError, match=re.escape(complaint)) as error:
        read(file)
    assert str(error.value).startswith(f"{file} ")
    assert not [word for word in content.split() if len(word) > 4 and word.decode("latin-1") in str(error.value)]


def test_a_missing_file_is_to_be_mounted_or_created(tmp_path: Path) -> None:
    with pytest.raises(CallerFileError, match="No such file or directory; mount it there, or write create: true"):
        read(str(tmp_path / "none"))
    with pytest.raises(CallerFileError, match="is no regular file; name the file itself"):
        read(str(tmp_path))


def test_a_directory_that_kubernetes_swaps_is_never_found_empty(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.write(secret=ONE)

    def swap() -> None:
        for count in range(300):
            volume.write(secret=b"%032d" % count)

    swapping = threading.Thread(target=swap)
    swapping.start()
    while swapping.is_alive():
        assert len(read(volume.secret)) == 1
    swapping.join()


@given(st.binary(max_size=80))
def test_any_content_is_secrets_or_a_complaint(content: bytes) -> None:
    file = os.memfd_create("secrets")
    try:
        os.write(file, content)
        with suppress(CallerFileError):
            digests = read(f"/proc/self/fd/{file}")
            assert 1 <= len(digests) <= 2
            assert digests <= {digest(line.strip()) for line in content.splitlines()}
    finally:
        os.close(file)


def test_a_secret_is_made_that_its_group_may_read_whatever_the_umask_is(tmp_path: Path) -> None:
    file = tmp_path / "made"
    before = os.umask(0o077)
    try:
        assert create(str(file))
    finally:
        os.umask(before)
    assert re.fullmatch(r"[0-9a-f]{64}\n", file.read_text())
    assert file.stat().st_mode & 0o777 == 0o640
    assert read(str(file)) == {digest(file.read_bytes().strip())}
    assert [found.name for found in tmp_path.iterdir()] == ["made"], "nothing else is left"


def test_two_made_secrets_differ(tmp_path: Path) -> None:
    create(str(tmp_path / "a"))
    create(str(tmp_path / "b"))
    assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()


def test_a_secret_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = write(tmp_path, ONE)
    assert not create(file)
    assert Path(file).read_bytes() == ONE


def test_of_many_who_make_it_at_once_one_does_and_nobody_reads_half_of_it(tmp_path: Path) -> None:
    file = str(tmp_path / "secret")
    start = threading.Barrier(8)
    made: list[bool] = []
    seen: set[frozenset[bytes]] = set()

    def make() -> None:
        start.wait()
        made.append(create(file))
        seen.add(read(file))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.count(True) == 1
    assert len(seen) == 1
    assert [found.name for found in tmp_path.iterdir()] == ["secret"]


def test_a_symlink_that_leads_nowhere_is_not_followed_to_make_a_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
    assert not create(str(tmp_path / "secret"))
    assert not (tmp_path / "elsewhere").exists()


def test_where_no_file_can_be_made_the_directory_is_to_blame(tmp_path: Path) -> None:
    file = str(tmp_path / "none" / "secret")
    with pytest.raises(CallerFileError, match="cannot be created: No such file or directory; make its directory"):
        create(file)


def test_a_secret_is_long_enough_for_what_is_demanded_of_one() -> None:
    assert secrets.NEW_SECRET_BYTES * 2 >= secrets.MIN_SECRET_BYTES
