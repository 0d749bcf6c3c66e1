from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.config import addresses
from broker.core.proof_target import place_of
from each_case import for_each


@for_each(
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


@for_each("address", [":7180", "0.0.0.0:7180", "[::]:7180", "10.0.0.1:7180", "broker:7180", "[::ffff:10.0.0.1]:1"])
def test_tokens_are_handed_out_nowhere_else(address: str) -> None:
    assert "is reachable from outside" in (addresses.api_listen(address) or "")


@for_each("address", [":7181", "0.0.0.0:7181", "[::]:7181", "10.0.0.1:0", "admin.local:7181", "my_pod:80"])
def test_the_admin_listener_may_be_anywhere(address: str) -> None:
    assert addresses.admin_listen(address) is None


@for_each("address", ["7181", "localhost", "localhost:", "localhost:a", "localhost:65536", "localhost:-1", "::1", ""])
def test_an_address_has_a_port(address: str) -> None:
    assert "is not HOST:PORT" in (addresses.admin_listen(address) or "") or address == "::1"
    assert addresses.api_listen(address)


@for_each("address", ["::1:7181", "[::1:7181", "[localhost]:7181", "[1.2.3.4]:1", "a b:1", "-a:1", "[fe80::1%eth0]:1"])
def test_an_address_names_a_host(address: str) -> None:
    assert "names no host" in (addresses.admin_listen(address) or "")


def test_the_path_of_a_socket_fits_into_what_every_system_has_room_for() -> None:
    assert addresses.api_listen("unix:/" + "a" * 102) is None
    assert addresses.api_listen("unix:/" + "a" * 103) == "the path of a Unix socket has at most 103 bytes"


@for_each("host", ["broker", "broker.internal", "token_broker", "10.0.0.1", "::1", "[::1]", "xn--bcher-kva"])
def test_a_host_name_is_a_name_or_an_address(host: str) -> None:
    assert addresses.host_name(host) is None


@for_each("host", ["broker:80", "http://broker", "broker/", "*", "a..b", ".a", "a" * 64, "a b", ""])
def test_a_host_name_has_no_port_scheme_or_path(host: str) -> None:
    assert "is not a host name" in (addresses.host_name(host) or "")


@pytest.mark.parametrize(
    "url", ["https://idp", "https://idp:8443/a/b?c=d", "http://localhost/x", "https://[::1]/", "https://idp/a%20b"]
)
def test_an_endpoint_is_an_absolute_url(url: str) -> None:
    assert addresses.endpoint(url) is None


@for_each(
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


@for_each(
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


@for_each(
    "url",
    [
        *("https://api.example.com", "https://api.example.com:8443", "http://localhost:8080", "http://[::1]:9000"),
        *("https://xn--mnchen-3ya.de", "https://my_api.svc.cluster.local", "https://10.0.0.1", "https://[2001:db8::1]"),
    ],
)
def test_a_target_is_an_origin(url: str) -> None:
    assert addresses.target(url) is None


LABELS = st.sampled_from(
    ["api", "-a", "a-", "_dmarc", "my_api", "xn--mnchen-3ya", "m\u00fcnchen", "API", "", "10", "::1"]
)


@given(
    st.sampled_from(["https://", "http://", "HTTPS://"]),
    st.lists(LABELS, min_size=1, max_size=3).map(".".join) | st.sampled_from(["[::1]", "[::01]", "localhost", "[:::]"]),
    st.sampled_from(["", ":443", ":80", ":8443", ":0", ":", "/", "/x"]),
)
def test_a_request_to_whatever_target_is_accepted_matches_it(scheme: str, host: str, rest: str) -> None:
    target = f"{scheme}{host}{rest}"
    told = addresses.target(target)
    if told is None:
        place = place_of(f"{target}/users?limit=1")
        assert place
        assert place.origin == target
    elif "; write " in told and "like" not in told:
        assert addresses.target(told.partition("; write ")[2]) is None


@for_each(
    ("url", "meant"),
    [
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com/v1?a=b", "https://api.example.com"),
        ("https://user:S3CRET@api.example.com", "https://api.example.com"),
        ("HTTPS://api.example.com", "https://api.example.com"),
        ("https://API.example.com", "https://api.example.com"),
        ("https://api.example.com:443", "https://api.example.com"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("api.example.com", None),
        ("ftp://api.example.com", None),
        ("https://[2001:db8:0::1]", None),
        ("https://M\u00fcnchen.de/x", "https://xn--mnchen-3ya.de"),
        ("https://api.example.com.", None),
        ("https://-a.example.com", None),
        ("https://_dmarc.example.com", None),
        ("https://[:::]", None),
        ("https://", None),
        ("https://a b", None),
    ],
)
def test_a_target_is_written_in_the_form_in_which_urls_are_compared(url: str, meant: str | None) -> None:
    told = addresses.target(url) or ""
    assert told.endswith(f"write {meant}") if meant else told.startswith("is not an origin; write it like https://")
    assert "S3CRET" not in told


@pytest.mark.parametrize(("url", "host"), [("https://a.example:1/b", "a.example"), ("nonsense", ""), ("https://[", "")])
def test_the_host_of_what_is_no_url_is_empty(url: str, host: str) -> None:
    assert addresses.host(url) == host


@for_each("host", ["acme..okta.com", f"{'a' * 64}.okta.com", ".okta.com", "acme.okta.com.."])
@for_each("judge", [addresses.endpoint, addresses.issuer, addresses.proxy])
def test_a_host_that_no_resolver_takes_is_refused(judge: Callable[[str], str | None], host: str) -> None:
    wrong = "has a host of which a part between dots is empty or longer than 63 characters; correct it"
    assert judge(f"https://{host}") == wrong


@for_each(
    "host", [f"{'a' * 63}.okta.com", "acme.okta.com.", "b\u00fccher.example", "127.0.0.1", "[::1]", "a_b.example"]
)
@for_each("judge", [addresses.endpoint, addresses.issuer, addresses.proxy])
def test_every_host_that_a_resolver_takes_is_left_to_it(judge: Callable[[str], str | None], host: str) -> None:
    assert judge(f"https://{host}") is None
