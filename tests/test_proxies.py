"""NO_PROXY as clusters write it."""

from yarl import URL

from broker.http_client.proxies import is_excepted
from each_case import for_each


@for_each(
    ("no_proxy", "url", "excepted"),
    [
        ("", "https://idp.example.com/", False),
        (",", "https://idp.example.com/", False),
        ("*", "https://idp.example.com/", True),
        ("idp.example.com", "https://idp.example.com/", True),
        ("IDP.example.com", "https://idp.EXAMPLE.com/", True),
        ("example.com", "https://idp.example.com/", True),
        (".example.com", "https://idp.example.com/", True),
        ("*.example.com", "https://idp.example.com/", True),
        ("ample.com", "https://idp.example.com/", False),
        ("other.com, idp.example.com", "https://idp.example.com/", True),
        ("idp.example.com:8443", "https://idp.example.com:8443/", True),
        ("idp.example.com:8443", "https://idp.example.com/", False),
        ("idp.example.com:443", "https://idp.example.com/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.0/8", "https://idp.example.com/", False),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("[fd00::1]", "https://[fd00::1]/", True),
        ("[fd00::1]:8443", "https://[fd00::1]:8443/", True),
        ("[fd00::1]:8443", "https://[fd00::1]/", False),
        ("svc.cluster.local", "http://idp.ns.svc.cluster.local./", True),
    ],
)
def test_an_excepted_host_is_reached_directly(no_proxy: str, url: str, *, excepted: bool) -> None:
    assert is_excepted(URL(url), {"no": no_proxy}) is excepted
