import os
import threading
from pathlib import Path

import pytest

from broker.config import resolve
from broker.config.file import MAX_BYTES, ConfigFile, present, read
from broker.core.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("a: 1\n")
    return path


def test_a_file_that_stays_as_it_is_has_not_changed(path: Path) -> None:
    _, file = read(str(path))
    assert not file.changed()


def test_a_file_that_is_written_again_with_the_same_content_has_not_changed(path: Path) -> None:
    _, file = read(str(path))
    path.unlink()
    path.write_text("a: 1\n")
    assert not file.changed()


def test_a_file_with_other_content_has_changed_until_it_is_put_back(path: Path) -> None:
    _, file = read(str(path))
    path.write_text("a: 2\n")
    assert file.changed()
    path.write_text("a: 1\n")
    assert not file.changed()


def test_a_swap_of_kubernetes_symlink_is_noticed(tmp_path: Path) -> None:
    for version, content in (("..1", "a: 1\n"), ("..2", "a: 2\n")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "config.yaml").write_text(content)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    _, file = read(str(tmp_path / "config.yaml"))
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert file.changed()


def test_a_file_that_is_gone_has_changed(path: Path) -> None:
    _, file = read(str(path))
    path.unlink()
    assert file.changed()


def test_a_pipe_is_read_once_and_never_again(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("a: 1\n",))
    writer.start()
    document, file = read(str(pipe))
    writer.join()
    assert document.tree == {"a": 1}
    assert file == ConfigFile(str(pipe), None)
    assert not file.changed()


def sentence(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        read(str(path))
    (only,) = raised.value.complaints
    return only.replace(str(path), "config.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert sentence(path) == "config.yaml: the configuration file cannot be read: No such file or directory"
    assert not present(str(path))
    assert not present(str(path / "below"))


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert sentence(tmp_path) == "config.yaml: the configuration file cannot be read: Is a directory"
    assert present(str(tmp_path))


@pytest.mark.skipif(os.geteuid() != 0, reason="rights: only root can switch to a user without read permission")
def test_a_file_that_may_not_be_read_is_there_all_the_same(path: Path) -> None:
    path.parent.chmod(0o755)
    path.chmod(0)
    os.seteuid(65532)
    try:
        said = sentence(path)
    finally:
        os.seteuid(0)
    assert said == "config.yaml: the configuration file cannot be read: Permission denied"


def test_a_file_of_another_encoding_is_refused_with_its_line(path: Path) -> None:
    path.write_bytes("a: 1\nb: f\u00fcr\n".encode("latin-1"))
    assert sentence(path) == "config.yaml:2: is not UTF-8 text"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: |\r\n  c\r\n")
    document, _ = read(str(path))
    assert document.tree == {"a": 1, "b": "c\n"}


def test_a_huge_file_is_not_read(path: Path) -> None:
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert sentence(path) == f"config.yaml: is larger than {MAX_BYTES} bytes; is it the right file?"


def test_settings_come_with_the_file_they_were_read_from(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "config" / "minimal.yaml"
    path = tmp_path / "config.yaml"
    path.write_text(example.read_text())
    configuration = resolve.read(str(path), {})
    assert configuration.file is not None
    assert configuration.file.path == str(path)
    assert not configuration.file.changed()
