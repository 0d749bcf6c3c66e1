"""URLs on which nobody can disagree, and all others refused."""

from urllib.parse import quote, urlsplit

from hypothesis import assume, given
from hypothesis import strategies as st
from yarl import URL

from broker.core.proof_target import Place, is_same, place_of
from each_case import for_each

ENDPOINT = "https://acme.okta.com/oauth2/v1/token"


@for_each(
    ("url", "origin", "path"),
    [
        ("https://api.example", "https://api.example", "/"),
        ("https://api.example?q", "https://api.example", "/"),
        ("https://api.example/a/b?c=d/../e&f[g]=h#i", "https://api.example", "/a/b"),
        ("HTTPS://API.Example:443/A", "https://api.example", "/A"),
        ("https://api.example:8443/", "https://api.example:8443", "/"),
        ("https://api.example:80/", "https://api.example:80", "/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example", "/"),
        ("https://my_api.svc.cluster.local/v1", "https://my_api.svc.cluster.local", "/v1"),
        ("https://10.0.0.1/x", "https://10.0.0.1", "/x"),
        ("https://[2001:DB8::1]:9/x", "https://[2001:db8::1]:9", "/x"),
        (
            "https://api.example/a%2Fb/;v=1/@me:x/~u/(1)!$&'*+,=",
            "https://api.example",
            "/a%2Fb/;v=1/@me:x/~u/(1)!$&'*+,=",
        ),
        ("https://api.example//a//", "https://api.example", "//a//"),
        ("https://api.example/..a/.b/c./...", "https://api.example", "/..a/.b/c./..."),
        ("https://api.example/a%2Fb/c%5Cd/100%25/e%252Ff", "https://api.example", "/a%2Fb/c%5Cd/100%25/e%252Ff"),
        ("https://api.example/a%252525", "https://api.example", "/a%252525"),
        ("http://localhost:8080/x", "http://localhost:8080", "/x"),
        ("http://127.0.0.1/x", "http://127.0.0.1", "/x"),
        ("http://[::1]:8080/x", "http://[::1]:8080", "/x"),
    ],
)
def test_a_url_has_an_origin_and_a_path(url: str, origin: str, path: str) -> None:
    assert place_of(url) == Place(origin, path)


@for_each(
    "url",
    [
        *("", "/", "api.example", "//api.example/", "https:", "https:/api.example", "https:///x", "https://"),
        *("ftp://api.example/", "file:///etc/passwd", "wss://api.example/", "javascript:alert(1)", "https+x://a/"),
        *("http://api.example/", "http://127.0.0.2/", "http://localhost.example/", "http://10.0.0.1/"),
        *("https://u@api.example/", "https://u:p@api.example/", "https://api.example@evil.example/", "https://@a/"),
        *(
            "https://api.example\\@evil.example/",
            "https:\\\\api.example/",
            "https://api.example\\evil/",
            "https://a/\\",
        ),
        *("https://api.example./", "https://.api.example/", "https://-a.example/", "https://a-/", "https://a.-/"),
        *("https://api.example:/", "https://api.example:0/", "https://api.example:0443/", "https://api.example:65536/"),
        *("https://api.example:443443/", "https://api.example:44x/", "https://api.example:+443/", "https://a:-1/"),
        *(
            "https://ap\u0131.example/",
            "https://\uff41pi.example/",
            "https://bücher.example/",
            "http\u017f://a.example/",
        ),
        *("https://api.example\u3002evil/", "https://\u212aapi.example/", "https://api%2eexample/", "https://a%00/"),
        *("https://[::1/", "https://::1/", "https://[fe80::1%25eth0]/", "https://[v1.x]/", "https://[api.example]/"),
        *(" https://api.example/", "https://api.example/ ", "https://api.example/\n", "https://api.example/a b"),
        *("https://api.example/\t", "\x00https://a/", "https://a/\x7f", "https://a/ä", "https://a/?ä", "https://a/#ä"),
        *("https://api.example/%", "https://api.example/%2", "https://api.example/%zz", "https://a/|", 'https://a/"'),
        *("https://api.example/..", "https://api.example/a/../b", "https://api.example/./", "https://a/b/."),
        *("https://api.example/%2e%2E/b", "https://api.example/.%2e", "https://a/b/%2e"),
        *("https://a/x%2f..%2fb", "https://a/x%5c..%5Cb", "https://a/x/..;v=1/b", "https://a/x/%252e%252e/b"),
        *("https://a/x/%2e.%3f", "https://a/x/..%23", "https://a/x%3f/../b", "https://a/x/..%20/b", "https://a/.%09/b"),
        *("https://a/x%00", "https://a/x%2500", "https://a/%00/b", f"https://a/%{'25' * 9}2f", "https://a/%2525252541"),
        *("https://[2001:db8:0::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[:::]/", "https://[1.2.3.4]/"),
    ],
)
def test_what_two_readers_may_read_differently_is_refused(url: str) -> None:
    assert place_of(url) is None


hosts = st.from_regex(r"\A[a-zA-Z0-9]([a-zA-Z0-9.-]{0,20}[a-zA-Z0-9])?\Z").filter(lambda host: ".." not in host)
paths = st.lists(st.text(max_size=6).map(lambda part: quote(part, safe="")), max_size=4).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)
ports = st.none() | st.integers(1, 65535)


@given(hosts, ports, paths, st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#")))
def test_our_reading_is_that_of_the_http_clients(host: str, port: int | None, path: str, query: str) -> None:
    url = f"https://{host}{'' if port is None else f':{port}'}{path}?{query}"
    place = place_of(url)
    assume(place)  # nothing in the path that a server could read as `..`
    assert place
    theirs, plain = URL(url, encoded=True), urlsplit(url)
    assert (theirs.host or "").lower() == plain.hostname == (urlsplit(place.origin).hostname)
    assert (theirs.port, plain.port or 443) == (URL(place.origin).port,) * 2
    assert (plain.path or "/", theirs.raw_path) == (place.path,) * 2


@given(st.text(max_size=30) | st.text(max_size=30).map("https://api.example".__add__))
def test_what_is_accepted_is_one_origin_in_ascii_that_reads_as_itself(url: str) -> None:
    place = place_of(url)
    if place is None:
        return
    assert str(place).isascii()
    assert str(place).isprintable()
    assert place_of(str(place)) == place
    assert urlsplit(url).hostname == urlsplit(place.origin).hostname


@for_each(
    "url",
    [
        ENDPOINT,
        f"{ENDPOINT}?x=y#z",
        f"{ENDPOINT}/",
        f"{ENDPOINT};v=1",
        "https://ACME.okta.com:443/oauth2/v1/token",
        "https://acme.okta.com//oauth2/v1//token",
        "https://acme.okta.com/oauth2/V1/Token",
        "https://acme.okta.com/oauth2/v1/%74oken",
        "https://acme.okta.com/oauth2%2Fv1/token",
        "https://acme.okta.com/;x/oauth2/v1/token",
        "https://acme.okta.com/oauth2%5cv1%5Ctoken",
        "https://acme.okta.com/%6fauth2%252Fv1%255ctoken",
        "https://acme.okta.com/oauth2%25252Fv1/token",
        "https://acme.okta.com/oauth2/v1/%2574oken",
        "https://acme.okta.com/oauth2/v1/token%2f%2F",
        "https://acme.okta.com/oauth2/v1/token%3Fx=%2f",
        "https://acme.okta.com/oauth2/v1/token%23x",
        "https://acme.okta.com/oauth2/v1/token%3bv=1",
        "https://acme.okta.com/oauth2/v1/token%20",
        "https://acme.okta.com/oauth2/v1/token%250a",
    ],
)
def test_the_token_endpoint_is_known_in_whatever_spelling(url: str) -> None:
    place = place_of(url)
    assert place
    assert is_same(place, ENDPOINT)


@for_each(
    "url",
    [
        "https://acme.okta.com/oauth2/v1/tokens",
        "https://acme.okta.com/api/v1/users",
        "https://acme.okta.com/",
        "https://acme.okta.com:8443/oauth2/v1/token",
        "https://api.example/oauth2/v1/token",
        "https://acme.okta.com/api/v1/users/a%2Fb%5Cc%25",
        "https://acme.okta.com/oauth2/v1%2Ftoken/x",
    ],
)
def test_another_url_is_not_the_token_endpoint(url: str) -> None:
    place = place_of(url)
    assert place
    assert not is_same(place, ENDPOINT)


@for_each(
    ("url", "endpoint"),
    [
        ("http://[::1]:8080/token", "http://[::1]:8080/token"),
        ("http://127.0.0.1:80/token", "http://127.0.0.1/token"),
        ("https://as.example/", "https://as.example"),
        ("https://as.example:9443/%7Ctoken", "https://as.example:9443/|token"),
        ("https://as.example:9443/a%2525b", "https://as.example:9443/a%25b"),
        ("https://as.example/a/token", "https://as.example/a%2Ftoken"),
        ("https://as.example/token", "HTTPS://AS.example.:443/token?x=y"),
        ("https://xn--bcher-kva.example/token", "https://b\u00fccher.example/token"),
        ("https://[2001:db8::1]/token", "https://[2001:DB8:0::1]/token"),
    ],
)
def test_token_endpoints_elsewhere_are_known_too(url: str, endpoint: str) -> None:
    place = place_of(url)
    assert place
    assert is_same(place, endpoint)
