"""Which `Host` this machine answers to."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from broker.http_server.request_rules import REFUSALS, host_permitted, is_path
from each_case import for_each

PORTS = st.sampled_from(["", ":7180", ":80", ":65535"])


def permitted(host: str, *, any_address: bool = False) -> bool:
    return host_permitted([host], allowed={"broker.internal"}, any_address=any_address)


@for_each("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "[::1]", "[0:0:0:0:0:0:0:1]"])
@for_each("port", ["", ":7180"])
def test_loopback_names_are_permitted_with_any_port(host: str, port: str) -> None:
    assert permitted(host + port)


def test_allowed_names_are_permitted_whatever_their_case() -> None:
    assert permitted("broker.internal")
    assert permitted("Broker.Internal:7180")


@for_each(
    "host",
    [
        *("", "evil.example", "localhost.evil.example", "evil-localhost", "xlocalhost", "localhost@evil.example"),
        *("localhost:7180:1", "localhost:", "localhost:123456", "localhost:x", "localhost,evil.example", "localhost/"),
        *("127.0.0.1.evil.example", "127.1", "0x7f.0.0.1", "2130706433", "0.0.0.0", "::1", "[::1", "[::]", "[]"),  # noqa: S104 - one of the wrong ones
        *("[localhost]", "[127.0.0.1]x", "[::1%lo]", "10.0.0.1", "broker.internal.", "x.broker.internal", "²27.0.0.1"),
        *(" localhost", "localhost ", "localhost\n", "local\u212aost", "1" * 5000),
    ],
)
def test_everything_else_is_foreign(host: str) -> None:
    assert not permitted(host)


def test_two_hosts_are_none() -> None:
    assert not host_permitted(["localhost", "localhost"], allowed=())
    assert not host_permitted([], allowed=())


@given(st.ip_addresses(), PORTS)
def test_an_address_is_permitted_when_it_is_loopback_or_when_any_will_do(
    address: IPv4Address | IPv6Address, port: str
) -> None:
    host = f"[{address}]{port}" if address.version == 6 else f"{address}{port}"
    assert permitted(host, any_address=True)
    assert permitted(host) == address.is_loopback


@given(st.text(max_size=60))
def test_any_text_is_judged_and_none_but_the_known_is_permitted(host: str) -> None:
    if permitted(host):
        assert host.lower().startswith(("localhost", "127.", "[", "broker.internal"))


@for_each("target", ["http://localhost/v1/token", "localhost:443", "*", "", "v1/token", "HTTPS://x/"])
def test_only_a_path_is_a_path(target: str) -> None:
    assert not is_path(target)
    assert is_path(f"/{target}")


def test_reasons_are_labels_and_each_stands_once() -> None:
    assert len(set(REFUSALS)) == len(REFUSALS)
    assert all(reason.replace("_", "").isalpha() and reason.islower() for reason in REFUSALS)
