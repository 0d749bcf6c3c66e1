"""The image as containers that may do as little as Kubernetes lets a Pod do."""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker import __version__
from e2e.processes import write_key
from image.workshop import IMAGE, RESTRICTED, Container, Workshop

CONFIG = """\
clients:
  okta:
    provider: okta
    issuer: http://127.0.0.1:8080
    token_endpoint: http://127.0.0.1:8080/oauth2/v1/token
    client_id: reports
    private_key: {file: /var/run/secrets/token-broker/private-key.jwk}
tokens:
  users-api: {scopes: [okta.users.read]}
"""
ANY_USER = "--user=1000710000:0"  # as OpenShift draws them: the user is nobody's, the group is root's
WRITABLE = """\
import os
for folder, _, files in os.walk("/"):
    for path in (folder, *(os.path.join(folder, file) for file in files)):
        if not path.startswith(("/dev", "/proc", "/sys")) and os.access(path, os.W_OK) and not os.path.islink(path):
            print(path)
"""


def volume(folder: Path, path: str) -> str:
    folder.mkdir(exist_ok=True)
    return f"--volume={folder}:{path}:ro"


@contextmanager
def broker(workshop: Workshop, folder: Path, *options: str) -> Iterator[Container]:
    """`run` beside a `dev-server` that knows its key; they share nothing but loopback."""
    mounts = (volume(folder / "key", "/var/run/secrets/token-broker"), volume(folder / "config", "/etc/token-broker"))
    write_key(folder / "key/private-key.jwk")
    (folder / "config/config.yaml").write_text(CONFIG)
    with workshop.started(*RESTRICTED, IMAGE, "dev-server") as server:
        shared = [f"--network=container:{server.name}" if "network" in option else option for option in RESTRICTED]
        with workshop.started(*shared, *mounts, *options, IMAGE) as container:
            container.event("token_refreshed")
            yield container


@pytest.mark.parametrize("options", [(), (ANY_USER,)], ids=["its own user", "any user"])
def test_with_no_rights_at_all_it_fetches_a_token_and_hands_it_out(
    workshop: Workshop, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with broker(workshop, tmp_path, *options) as container:
        handed_out = container.ask("token-broker", "token", "users-api")
        assert (handed_out.returncode, handed_out.stderr) == (0, "")
        assert len(handed_out.stdout.strip()) > 20
        assert container.ask("token-broker", "healthcheck").returncode == 0
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{container.pid}/status").read_text().splitlines())
        assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_it_needs_neither_a_shell_nor_any_other_program(workshop: Workshop, tmp_path: Path) -> None:
    with broker(workshop, tmp_path, volume(tmp_path / "nothing", "/usr/bin")) as container:
        assert container.ask("sh", "-c", "true").returncode == 127
        assert container.ask("token-broker", "token").returncode == 0


def test_it_is_pid_1_itself_and_ends_within_a_second_of_sigterm(workshop: Workshop, tmp_path: Path) -> None:
    with broker(workshop, tmp_path) as container:
        process = Path(f"/proc/{container.pid}")
        program = ["/opt/venv/bin/python", "-I", "/opt/venv/bin/token-broker", "run"]
        assert (process / "cmdline").read_text().rstrip("\0").split("\0") == program
        assert f"NSpid:\t{container.pid}\t1\n" in (process / "status").read_text()
        watched = os.pidfd_open(container.pid)
        asked = time.monotonic()
        signal.pidfd_send_signal(watched, signal.SIGTERM)
        # The promise is one second; the bound leaves room for a machine that is busy, and is far from podman's 10 s.
        assert select.select([watched], [], [], 3)[0], container.logs
        os.close(watched)
        print(f"ended {time.monotonic() - asked:.3f} s after SIGTERM")  # noqa: T201 - shown by pytest -rP
        assert container.ended() == 0


@pytest.mark.parametrize("user", ["--user=65532:65532", ANY_USER], ids=["its own user", "any user"])
def test_it_could_write_no_file_even_without_a_read_only_root(workshop: Workshop, user: str) -> None:
    may_do = [option for option in RESTRICTED if "read-only" not in option]
    found = workshop.run(*may_do, user, "--entrypoint=python", IMAGE, "-c", WRITABLE)
    assert set(found.stdout.split()) <= {"/tmp", "/var/tmp", "/run/lock"}, found.stderr  # noqa: S108 - Debian's


def test_with_a_read_only_root_it_can_write_nothing(workshop: Workshop) -> None:
    found = workshop.run(*RESTRICTED, "--entrypoint=python", IMAGE, "-c", WRITABLE)
    assert (found.returncode, found.stdout) == (0, "")


def test_nothing_is_compiled_at_start(workshop: Workshop) -> None:
    program = ("--entrypoint=python", IMAGE, "-I", "-v", "/opt/venv/bin/token-broker", "run")
    said = workshop.run(*RESTRICTED, *program).stderr.splitlines()
    loaded = [line for line in said if line.startswith("# code object from")]
    assert len(loaded) > 300
    assert [line for line in loaded if ".pyc" not in line] == []


def test_variables_of_the_pod_put_no_code_into_it(workshop: Workshop, tmp_path: Path) -> None:
    theirs = volume(tmp_path / "theirs", "/theirs")
    for name in ("sitecustomize.py", "click.py"):
        (tmp_path / "theirs" / name).write_text("print('theirs')\n")
    variables = ("PYTHONPATH=/theirs", "PYTHONHOME=/theirs", "PYTHONSTARTUP=/theirs/click.py")
    said = workshop.run(
        *RESTRICTED, theirs, "--workdir=/theirs", *(f"--env={variable}" for variable in variables), IMAGE, "--version"
    )
    assert (said.returncode, said.stdout) == (0, f"token-broker {__version__}\n")


def test_a_configuration_that_cannot_be_used_is_exit_code_2_and_a_sentence(workshop: Workshop, tmp_path: Path) -> None:
    mount = volume(tmp_path / "config", "/etc/token-broker")
    (tmp_path / "config/config.yaml").write_text(CONFIG.replace("scopes", "scope"))
    ended = workshop.run(*RESTRICTED, mount, IMAGE)
    assert ended.returncode == 2
    assert "tokens.users-api.scope" in ended.stderr
    assert "scopes" in ended.stderr
    assert "Traceback" not in ended.stderr
