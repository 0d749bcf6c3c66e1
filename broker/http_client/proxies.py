"""Proxy selection by environment variables: HTTPS_PROXY, HTTP_PROXY and NO_PROXY."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from broker.core.urls import is_loopback


def from_environment(url: URL) -> str | None:
    """Return the proxy for `url` as configured; `None` for a direct connection, which loopback always gets."""
    variables = getproxies()
    if is_loopback(str(url)) or is_excepted(url, variables) or proxy_bypass(url.host or ""):
        return None
    proxy = variables.get(url.scheme)
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def is_excepted(url: URL, variables: Mapping[str, str]) -> bool:
    """Whether NO_PROXY matches `url`: `*`, a host and its subdomains, an address or a network; a port is optional.

    urllib supports neither ports nor networks nor `*.example.com`, all of which are common in clusters.
    """
    host = (url.host or "").lower().rstrip(".")
    for entry in variables.get("no", "").lower().replace(" ", "").split(","):
        name, colon, port = entry.rpartition(":")
        if colon and port.isdecimal() and "]" not in port:
            if int(port) != url.port:
                continue
            entry = name  # noqa: PLW2901 - without its port, which matches
        if entry == "*":
            return True
        entry = entry.strip("[]").removeprefix("*").lstrip(".")  # noqa: PLW2901 - normalized spelling
        if entry and (host == entry or host.endswith(f".{entry}") or _within(host, entry)):
            return True
    return False


def _within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
