"""A JWKS URL on loopback: what a team publishes as a static file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from interop.provider import PrivateKey, public_jwks

#: Seconds in which Keycloak does not read a URL twice (its `minTimeBetweenRequests`), and one for the rounding.
QUIET = 11.0


class JwksUrl:
    """What is published at `url`, and how often it was asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.body = b""
        self.asked = 0

    def publish(self, *keys: PrivateKey) -> None:
        self.body = json.dumps(public_jwks(*keys)).encode()


@contextmanager
def published(*keys: PrivateKey) -> Iterator[JwksUrl]:
    """A URL with the public halves of these keys."""
    site = JwksUrl()
    site.publish(*keys)

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked += 1
            self.send_response(site.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(site.body)))
            self.end_headers()
            self.wfile.write(site.body)

        def log_message(self, *_: object) -> None:
            """Nothing to stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        site.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
