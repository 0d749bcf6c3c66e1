"""nginx as it is fastest at one small file."""

from collections.abc import Iterable
from pathlib import Path

# `open_file_cache` spares it open, fstat and close; the file is small enough for a read and one writev, which
# measured faster here than sendfile, which needs a write of its own for the head.
_CONFIG = """
daemon off;
master_process off;
worker_processes 1;
pid {root}/nginx.pid;
error_log {root}/error.log crit;
events {{ worker_connections 4096; multi_accept on; accept_mutex off; }}
http {{
  access_log off;
  server_tokens off;
  etag off;
  if_modified_since off;
  default_type application/json;
  sendfile off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  open_file_cache max=100 inactive=300s;
  open_file_cache_valid 300s;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; }}
}}
"""


def command(directory: Path, port: int, body: bytes, paths: Iterable[str]) -> list[str]:
    """What starts an nginx that answers `body` to each of `paths`; `directory` holds its files."""
    for path in paths:
        file = directory / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    config = directory / "nginx.conf"
    config.write_text(_CONFIG.format(root=directory, port=port), encoding="utf-8")
    return ["nginx", "-c", str(config), "-p", str(directory)]
