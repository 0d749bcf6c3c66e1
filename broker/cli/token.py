"""`token-broker token`: what a shell script asks. Nothing heavy is imported, and no proxy is ever used."""

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import click

from broker.core.durations import Duration

DEFAULT_URL = "http://127.0.0.1:7180"
#: Seconds for the broker's answer, on top of what it was asked to wait (30 s at most, by its own rule).
PATIENCE = 10
LONGEST_WAIT = 30
#: The largest answer read, in bytes: whatever listens there may be no broker.
LARGEST = 1 << 20
#: The largest file with a secret, in bytes: a wrong one may be endless.
LARGEST_SECRET = 1 << 12

RIGHT = "is --url or TOKEN_BROKER_URL right?"


class UnixConnection(HTTPConnection):
    """HTTP over the socket at `path`."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the path instead of the host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@click.command("token")
@click.argument("name", required=False)
@click.option("--url", envvar="TOKEN_BROKER_URL", default=DEFAULT_URL, show_default=True, show_envvar=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(["token", "json", "header"]),
    default="token",
    show_default=True,
    help="The bare token, the broker's whole answer, or an Authorization header.",
)
@click.option("--wait", metavar="DURATION", help="How long to wait for the first token, like 5s (at most 30s).")
@click.option(
    "--secret-file",
    type=click.Path(),
    metavar="FILE",
    help="The caller's secret, where callers are defined: its first line is sent as Authorization: Bearer.",
)
def command(name: str | None, url: str, form: str, wait: str | None, secret_file: str | None) -> None:
    """Ask the broker at URL (http:// or unix:/path) for the token NAME and print it.

    NAME may be left out when the broker has one token, or one called default.
    """
    path = f"/v1/tokens/{quote(name, safe='')}" if name else "/v1/token"
    if wait is not None:
        check(wait)
        path += "?" + urlencode({"wait": wait})
    headers = {"Metadata": "true", "Accept": "application/json"}
    if secret_file is not None:
        headers["Authorization"] = f"Bearer {secret_in(secret_file)}"
    connection = connect(url, PATIENCE + (LONGEST_WAIT if wait is not None else 0))
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        status, body = answer.status, answer.read(LARGEST)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"no answer from a broker at {url} ({reason}); is it running, and {RIGHT}"
        raise click.ClickException(msg) from None
    except HTTPException:  # its text is whatever came
        msg = f"what answers at {url} does not speak HTTP; {RIGHT}"
        raise click.ClickException(msg) from None
    finally:
        connection.close()
    click.echo(render(form, members_of(url, status, body), body))


def check(wait: str) -> None:
    """Raises BadParameter, exit code 2, for what the broker would refuse."""
    try:
        seconds = Duration.parse(wait)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--wait") from None
    if seconds > LONGEST_WAIT:
        raise click.BadParameter(f"{wait} is too long; at most {LONGEST_WAIT}s.", param_hint="--wait")


def secret_in(file: str) -> str:
    """The first line that holds something. Raises ClickException, exit code 1, which holds nothing of the file."""
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(LARGEST_SECRET + 1)
    except OSError as error:
        raise click.ClickException(f"--secret-file: {file} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_SECRET:
        raise click.ClickException(
            f"--secret-file: {file} is larger than {LARGEST_SECRET} bytes; name the file with the caller's secret"
        )
    if not (lines := content.strip().splitlines()):
        raise click.ClickException(f"--secret-file: {file} is empty; its first line must be the caller's secret")
    secret = lines[0].strip()
    if not all(0x21 <= byte <= 0x7E for byte in secret):  # HTTPConnection would repeat it in its error
        raise click.ClickException(
            f"--secret-file: the first line of {file} holds a space or a character beyond ASCII, which no secret has"
        )
    return secret.decode()


def connect(url: str, seconds: float) -> HTTPConnection:
    """A connection that each step of may take `seconds`. Raises BadParameter, exit code 2, for an unusable URL."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "unix" and parts.path.startswith("/") and hasattr(socket, "AF_UNIX"):
            return UnixConnection(parts.path, seconds)
        if parts.scheme == "http" and parts.hostname and parts.path in ("", "/"):
            return HTTPConnection(parts.hostname, parts.port or 80, timeout=seconds)
    except ValueError:  # a port that is none
        pass
    msg = f"{url} is no broker's URL; write it like {DEFAULT_URL} or unix:/run/token-broker/api.sock"
    raise click.BadParameter(msg, param_hint="--url")


def members_of(url: str, status: int, body: bytes) -> dict[str, object]:
    """The members of a good answer. Raises ClickException, exit code 1, with the broker's own words for any other."""
    try:
        members = json.loads(body)
    except ValueError:
        members = None
    if isinstance(members, dict):
        if status == 200 and isinstance(members.get("access_token"), str):
            return members
        if said := " ".join(str(members[key]) for key in ("error_description", "hint") if members.get(key)):
            raise click.ClickException(said if said.isprintable() else repr(said))
    msg = f"what answers at {url} is no token broker (status {status}); {RIGHT}"
    raise click.ClickException(msg)


def render(form: str, members: dict[str, object], body: bytes) -> str:
    """What is printed for `--format`. Raises ClickException, exit code 1, where a DPoP token would pass as Bearer."""
    if form != "json" and str(members.get("token_type")).lower() == "dpop":
        msg = (
            "this is a DPoP token, which is of no use by itself; POST /v1/tokens/NAME/proof gives it with a proof for"
            " one request (--format json shows it as it is)"
        )
        raise click.ClickException(msg)
    match form:
        case "json":
            return body.decode(errors="replace")
        case "header":
            return f"Authorization: Bearer {members['access_token']}"
        case _:
            return str(members["access_token"])
