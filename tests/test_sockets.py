"""Addresses mean what they say, a conflict is a sentence, and nobody's files are removed."""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ctypes import CDLL
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.errors import ConfigError
from broker.http_server.sockets import Bound, Tcp, Unix, _bind_tcp, bind_all, parse
from each_case import for_each


@contextmanager
def bound(*texts: str, loopback_only: bool = False) -> Iterator[list[Bound]]:
    with ExitStack() as stack:
        all_bound = bind_all("api.listen", texts, loopback_only=loopback_only)
        for one in all_bound:
            stack.enter_context(one.sock)
        yield all_bound


def complaint(*texts: str, loopback_only: bool = False) -> str:
    with pytest.raises(ConfigError) as caught, bound(*texts, loopback_only=loopback_only):
        pass
    return str(caught.value)


def port_of(one: Bound) -> int:
    return int(one.name.rpartition(":")[2])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api.sock"


@for_each(
    ("text", "address"),
    [
        ("localhost:7180", Tcp(("127.0.0.1", "::1"), 7180)),
        ("LOCALHOST:7180", Tcp(("127.0.0.1", "::1"), 7180)),
        ("127.0.0.1:7180", Tcp(("127.0.0.1",), 7180)),
        ("[::1]:7180", Tcp(("::1",), 7180)),
        (":7181", Tcp(("0.0.0.0", "::"), 7181)),  # noqa: S104 - what it has to mean
        ("metrics.internal:7181", Tcp(("metrics.internal",), 7181)),
        ("unix:/run/token-broker/api.sock", Unix("/run/token-broker/api.sock")),
    ],
)
def test_every_form_of_the_documentation_is_read(text: str, address: Tcp | Unix) -> None:
    assert parse(text) == address


@for_each("text", ["", "localhost", "localhost:", "localhost:http", "localhost:65536", "a:-1", "a:²"])
def test_what_is_no_address_is_explained_by_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write it like localhost:7180"):
        parse(text)


def test_an_ipv6_address_without_brackets_is_shown_with_them() -> None:
    with pytest.raises(ValueError, match=r"\[::1\]:7180"):
        parse("::1:7180")


def test_a_relative_socket_path_is_refused() -> None:
    with pytest.raises(ValueError, match="absolute path"):
        parse("unix:api.sock")


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    try:
        address = parse(text)
    except ValueError:
        return
    assert address.is_loopback in (True, False)


@pytest.mark.parametrize("text", ["localhost:1", "127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "unix:/a"])
def test_loopback_is_recognised(text: str) -> None:
    assert parse(text).is_loopback


@pytest.mark.parametrize("text", [":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "localhost.evil.example:1"])
def test_what_the_network_can_reach_is_not_loopback(text: str) -> None:
    assert not parse(text).is_loopback


def test_localhost_is_both_families_on_one_port() -> None:
    with bound("localhost:0") as both:
        assert {one.name.rpartition(":")[0] for one in both} == {"127.0.0.1", "[::1]"}
        assert len({port_of(one) for one in both}) == 1


def test_an_empty_host_is_every_family() -> None:
    with bound(":0") as both:
        assert {one.name.rpartition(":")[0] for one in both} == {"0.0.0.0", "[::]"}  # noqa: S104 - asked for
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port_of(both[0])), timeout=5).close()


def test_who_asks_for_every_family_where_one_is_missing_gets_the_other() -> None:
    with bound("localhost:0") as both:
        free = port_of(both[0])
    # An address that this host lacks is what a missing family looks like.
    alone = _bind_tcp(Tcp(("203.0.113.1", "127.0.0.1"), free))
    assert [one.name for one in alone] == [f"127.0.0.1:{free}"]
    alone[0].sock.close()
    with pytest.raises(OSError, match="assign"):
        _bind_tcp(Tcp(("203.0.113.1", "203.0.113.2"), free))


def test_a_port_in_use_is_a_sentence_that_names_key_and_address() -> None:
    with bound("127.0.0.1:0") as taken:
        assert complaint(taken[0].name) == (
            f"api.listen: {taken[0].name} is in use by another program or by another address of this configuration;"
            " stop that program, or listen elsewhere"
        )


def test_addresses_of_one_configuration_that_overlap_are_not_blamed_on_others_alone() -> None:
    with bound("127.0.0.1:0") as free:
        port = port_of(free[0])
    assert "or by another address of this configuration" in complaint(f"localhost:{port}", f"127.0.0.1:{port}")


def test_a_port_taken_in_one_family_is_not_half_taken_in_the_other() -> None:
    with bound("[::1]:0") as taken:
        assert "in use" in complaint(f"localhost:{port_of(taken[0])}")


def test_a_search_for_a_port_that_is_free_in_every_family_ends() -> None:
    with pytest.raises(OSError, match="in use"):
        _bind_tcp(Tcp(("127.0.0.1", "127.0.0.1"), 0))


def test_every_complaint_is_told_at_once_and_nothing_stays_bound(path: Path) -> None:
    with bound("127.0.0.1:0") as free:
        name = free[0].name
    said = complaint(name, f"unix:{path}", "203.0.113.1:7180", "no-such-host.invalid:1")
    assert [line.split(" ")[1] for line in said.splitlines()] == ["203.0.113.1:7180", "no-such-host.invalid:1"]
    assert "is not an address of this host" in said
    assert not path.exists()
    with bound(name):
        pass


def test_addresses_beyond_loopback_are_refused_where_tokens_are_handed_out() -> None:
    said = complaint("localhost:0", "0.0.0.0:7180", "nonsense", loopback_only=True)
    assert "api.listen: 0.0.0.0:7180 can be reached from the network" in said
    assert "api.listen: nonsense is not an address" in said


def test_a_socket_is_for_owner_and_group_from_the_first_moment(path: Path) -> None:
    before = os.umask(0)
    try:
        with bound(f"unix:{path}") as one:
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert one[0].name == f"unix:{path}"
        assert os.umask(0) == 0, "the process keeps its umask"
    finally:
        os.umask(before)


def test_a_dead_socket_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with bound(f"unix:{path}"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_live_socket_is_left_alone(path: Path) -> None:
    with bound(f"unix:{path}"):
        identity = path.stat().st_ino
        assert "in use by another program" in complaint(f"unix:{path}")
        assert path.stat().st_ino == identity


def test_a_live_socket_too_busy_to_answer_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, ExitStack() as clients:
        busy.bind(str(path))
        busy.listen(0)
        for _ in range(2):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(0)
            try:
                client.connect(str(path))
            except BlockingIOError:
                break
        assert "in use by another program" in complaint(f"unix:{path}")
        assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    assert "is a file that is no socket" in complaint(f"unix:{path}")
    assert path.read_text() == "precious"


def test_a_symlink_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(target))
    path.symlink_to(target)
    assert "is a file that is no socket" in complaint(f"unix:{path}")
    assert target.exists()


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    assert "in a directory that does not exist" in complaint(f"unix:{tmp_path}/absent/api.sock")


def test_a_path_too_long_for_a_socket_is_explained(tmp_path: Path) -> None:
    assert "may have 103 bytes" in complaint(f"unix:{tmp_path}/{'x' * 103}")


def test_a_datagram_socket_is_not_ours_to_remove(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        assert "cannot be listened on" in complaint(f"unix:{path}")
    assert path.exists()


def test_the_socket_is_removed_at_the_end(path: Path) -> None:
    with bound(f"unix:{path}") as one:
        one[0].unlink()
        assert not path.exists()
        one[0].unlink()


def test_a_socket_that_another_broker_put_there_meanwhile_stays(path: Path) -> None:
    with bound(f"unix:{path}") as mine:
        path.rename(path.with_name("moved.sock"))
        with bound(f"unix:{path}"):
            mine[0].unlink()
            assert path.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="rights: only root has capabilities to drop")
def test_lacking_rights_are_told_with_the_uid(path: Path) -> None:
    said: list[str] = []

    def unprivileged() -> None:
        # The raw system call drops the rights of this thread alone (setresuid is 117 on x86_64, 147 on aarch64).
        number = {"x86_64": 117, "aarch64": 147}[os.uname().machine]
        CDLL(None).syscall(number, 65532, 65532, 65532)
        said.append(complaint(f"unix:{path}"))

    path.parent.chmod(0o755)
    thread = threading.Thread(target=unprivileged)
    thread.start()
    thread.join()
    assert "may not be used by uid" in said[0]
