"""A connection for every request, one after another. The client hangs up; it does not say `Connection: close`.

Arguments: port, seconds. Prints how many there were, and in how many seconds.
"""

import socket
import sys
import time

FIELDS = (b"Host: localhost", b"Metadata: true", b"Accept: application/json", b"User-Agent: bench")
HEAD = b"\r\n".join([b"GET /v1/token HTTP/1.1", *FIELDS, b"", b""])


def main(port: int, seconds: float) -> None:
    """Connect, ask, read, hang up."""
    began = time.monotonic()
    connections = 0
    while time.monotonic() - began < seconds:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(HEAD)
            if not sock.recv(65536).startswith(b"HTTP/1.1 200 "):
                sys.exit("no answer, or not 200")
        connections += 1
    print(connections, time.monotonic() - began)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
