"""The sample workload: a program of its own, started by its file name, which imports nothing of the broker.

All it needs of OAuth is one GET before each call of an API. $TOKEN_BROKER_URL says where to ask, the first argument
where the API is. One JSON object a call goes to stdout; of a token only the fingerprint.
"""

import hashlib
import http.client
import json
import os
import signal
import sys
import time
from typing import Any
from urllib.parse import urlsplit

INTERVAL = 0.2
#: Seconds for each step of an exchange; on loopback, longer is as good as never.
PATIENCE = 2.0


def get(url: str, **headers: str) -> tuple[int, bytes]:
    """Status and body. Unlike urllib, http.client knows no proxies."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
    try:
        connection.request("GET", parts.path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def call(broker: str, api: str) -> dict[str, Any]:
    """One call of the API, with whatever token there is now: asked for every time, never cached."""
    said: dict[str, Any] = {"token": None, "left": None}
    try:
        status, body = get(f"{broker}/v1/token", Metadata="true")
        if status != 200:
            return said | {"miss": f"the broker answered {status}"}
        answer = json.loads(body)
        token = answer["access_token"]
        said = {"token": hashlib.sha256(token.encode()).hexdigest()[:12], "left": answer["expires_in"]}
        status, _ = get(api, Authorization=f"Bearer {token}")
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
        where = "the broker" if said["token"] is None else "the API"
        return said | {"miss": f"no usable answer from {where} ({type(error).__name__})"}
    return said | {"miss": None if status == 200 else f"the API answered {status}"}


def main() -> None:
    """Until it is killed, or nobody reads any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the demo's, which ends this program itself
    broker, api = os.environ["TOKEN_BROKER_URL"], sys.argv[1]
    due = time.monotonic()
    while True:
        try:
            sys.stdout.write(json.dumps(call(broker, api)) + "\n")
            sys.stdout.flush()
        except OSError:
            return
        now = time.monotonic()
        due = max(due + INTERVAL, now)
        time.sleep(due - now)


if __name__ == "__main__":
    main()
