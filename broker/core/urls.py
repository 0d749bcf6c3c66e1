"""What a URL must be before anything is sent to it, by the parser of the HTTP client: another may see another host."""

from urllib.parse import urlsplit

from yarl import URL

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_usable(url: str) -> bool:
    """Whether a request can go to `url` as it stands: absolute, http or https, one host on which all parsers agree.

    User and password would be sent as a second credential, and a fragment is no part of a request.
    """
    try:
        parsed, plain = URL(url), urlsplit(url)
        return (
            parsed.scheme in {"http", "https"}
            and bool(parsed.host)
            and parsed.host == plain.hostname
            and parsed.port not in {None, 0}
            and parsed.user is parsed.password is None
            and "#" not in url
            and url.isprintable()
            and not set(' \\<>"') & set(url)
        )
    except ValueError:
        return False


def is_loopback(url: str) -> bool:
    """Whether a usable `url` names this host by `localhost` or a loopback literal."""
    return URL(url).host in LOOPBACK


def host_of(url: str) -> str:
    """The host of a usable `url`."""
    return URL(url).host or ""


def origin_of(url: str) -> str:
    """Scheme, host and port of a usable `url`, the port only where it is not the scheme's own."""
    return str(URL(url).origin())
