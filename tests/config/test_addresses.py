import pytest

from broker.config import addresses


@pytest.mark.parametrize(
    "address",
    [
        "localhost:7180",
        "LOCALHOST:7180",
        "127.0.0.1:0",
        "127.0.0.2:7180",
        "[::1]:7180",
        "unix:/run/token-broker/api.sock",
        "localhost:65535",
    ],
)
def test_tokens_are_handed_out_on_loopback_and_unix_sockets(address: str) -> None:
    assert addresses.api_listen(address) is None


@pytest.mark.parametrize(
    "address", [":7180", "0.0.0.0:7180", "[::]:7180", "10.0.0.1:7180", "broker:7180", "[::ffff:10.0.0.1]:1"]
)
def test_tokens_are_handed_out_nowhere_else(address: str) -> None:
    assert "is reachable from outside" in (addresses.api_listen(address) or "")


@pytest.mark.parametrize(
    "address", [":7181", "0.0.0.0:7181", "[::]:7181", "10.0.0.1:0", "admin.local:7181", "my_pod:80"]
)
def test_the_admin_listener_may_be_anywhere(address: str) -> None:
    assert addresses.admin_listen(address) is None


@pytest.mark.parametrize(
    "address", ["7181", "localhost", "localhost:", "localhost:a", "localhost:65536", "localhost:-1", "::1", ""]
)
def test_an_address_has_a_port(address: str) -> None:
    assert "is not HOST:PORT" in (addresses.admin_listen(address) or "") or address == "::1"
    assert addresses.api_listen(address)


@pytest.mark.parametrize(
    "address", ["::1:7181", "[::1:7181", "[localhost]:7181", "[1.2.3.4]:1", "a b:1", "-a:1", "[fe80::1%eth0]:1"]
)
def test_an_address_names_a_host(address: str) -> None:
    assert "names no host" in (addresses.admin_listen(address) or "")


def test_the_path_of_a_socket_fits_into_what_every_system_has_room_for() -> None:
    assert addresses.api_listen("unix:/" + "a" * 102) is None
    assert addresses.api_listen("unix:/" + "a" * 103) == "the path of a Unix socket has at most 103 bytes"


@pytest.mark.parametrize(
    "host", ["broker", "broker.internal", "token_broker", "10.0.0.1", "::1", "[::1]", "xn--bcher-kva"]
)
def test_a_host_name_is_a_name_or_an_address(host: str) -> None:
    assert addresses.host_name(host) is None


@pytest.mark.parametrize("host", ["broker:80", "http://broker", "broker/", "*", "a..b", ".a", "a" * 64, "a b", ""])
def test_a_host_name_has_no_port_scheme_or_path(host: str) -> None:
    assert "is not a host name" in (addresses.host_name(host) or "")


@pytest.mark.parametrize(
    "url", ["https://idp", "https://idp:8443/a/b?c=d", "http://localhost/x", "https://[::1]/", "https://idp/a%20b"]
)
def test_an_endpoint_is_an_absolute_url(url: str) -> None:
    assert addresses.endpoint(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "idp",
        "ftp://idp",
        "https://",
        "https:///a",
        "https://idp:99999",
        "https://idp:0",
        "https://a b",
        "https://[::1",
        "HTTPS://a",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    assert "is not a URL" in (addresses.endpoint(url) or "")


@pytest.mark.parametrize("url", ["https://user@idp/", "https://user:pass@idp/", "https://@idp/"])
def test_a_url_with_a_user_would_send_a_second_credential(url: str) -> None:
    assert "holds a user or a password" in (addresses.issuer(url) or "")


def test_an_issuer_has_neither_query_nor_fragment() -> None:
    assert addresses.issuer("https://idp/a") is None
    assert "has a query" in (addresses.issuer("https://idp/a?b") or "")
    assert "has a fragment" in (addresses.issuer("https://idp/a#b") or "")


@pytest.mark.parametrize(
    ("url", "insecure"),
    [
        ("https://idp", False),
        ("http://localhost:8080/a", False),
        ("http://127.0.0.1", False),
        ("http://[::1]:80", False),
        ("http://idp", True),
        ("http://127.0.0.2", True),
        ("http://localhost.example.com", True),
    ],
)
def test_plain_http_is_for_loopback(url: str, *, insecure: bool) -> None:
    assert addresses.insecure(url) is insecure


@pytest.mark.parametrize("proxy", ["none", "http://proxy:3128", "https://user@proxy", "http://[::1]:3128/"])
def test_a_proxy_is_a_url_or_none(proxy: str) -> None:
    assert addresses.proxy(proxy) is None


@pytest.mark.parametrize("proxy", ["None", "proxy:3128", "socks5://proxy", "http://"])
def test_what_is_no_proxy_is_refused(proxy: str) -> None:
    assert "is neither a URL like" in (addresses.proxy(proxy) or "")


def test_the_password_of_a_proxy_stands_in_a_file() -> None:
    assert "proxy_password_file" in (addresses.proxy("http://u:p@proxy") or "")
    assert "proxy_password_file" in (addresses.proxy("http://u:@proxy") or "")


@pytest.mark.parametrize(
    ("proxy", "user"),
    [(None, None), ("none", None), ("http://proxy", None), ("http://u@proxy", "u"), ("http://@proxy", None)],
)
def test_the_user_of_a_proxy_stands_in_its_url(proxy: str | None, user: str | None) -> None:
    assert addresses.proxy_user(proxy) == user


@pytest.mark.parametrize("uri", ["https://api.example.com/", "urn:example:api", "api://11111111-2222", "https://a?b=c"])
def test_a_resource_is_an_absolute_uri(uri: str) -> None:
    assert addresses.resource(uri) is None


@pytest.mark.parametrize(
    ("uri", "wrong"), [("api", "absolute"), ("/api", "absolute"), ("a:", "absolute"), ("a:b#c", "fragment")]
)
def test_what_is_no_resource_is_refused(uri: str, wrong: str) -> None:
    assert wrong in (addresses.resource(uri) or "")
