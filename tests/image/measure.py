"""Size and start-up of the image: `PYTHONPATH=tests .venv/bin/python -m image.measure [ROUNDS]`."""

import gzip
import io
import json
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import median

import click

from e2e.processes import write_key
from image.test_running import CONFIG, volume
from image.workshop import BASE, IMAGE, RESTRICTED, Workshop

WITHOUT = "FROM {image}\nUSER 0\nRUN find {folders} -name __pycache__ -prune -exec rm -rf {{}} +\nUSER 65532:65532\n"
#: Images by what they lack, with the folders whose bytecode is taken away.
LACKING = {"the library's bytecode": "/usr/local", "all bytecode": "/usr/local /opt/venv"}


CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def sizes(workshop: Workshop) -> Iterator[str]:
    """In megabytes, as it lies on disk; what is ours also as it is pulled."""
    total, base = (
        int(workshop.podman("image", "inspect", "--format", "{{.Size}}", image).stdout) for image in (IMAGE, BASE)
    )
    yield f"image {total / 1e6:.0f} MB, base {base / 1e6:.0f} MB, ours {(total - base) / 1e6:.0f} MB"
    with workshop.mounted(IMAGE) as files:
        for name, paths in {
            "/opt/venv": [files / "opt/venv"],
            "bytecode of the library": (files / "usr/local/lib").rglob("*.pyc"),
        }.items():
            plain = io.BytesIO()
            with tarfile.open(fileobj=plain, mode="w") as archive:
                for path in paths:
                    archive.add(path)
            content = plain.getvalue()
            yield f"{name} {len(content) / 1e6:.1f} MB, compressed {len(gzip.compress(content, 6)) / 1e6:.1f} MB"


def start(workshop: Workshop, tag: str, options: list[str]) -> tuple[float, ...]:
    """Milliseconds: `podman run` to ready, the process's start to listening, its start to ready, CPU used for that."""
    asked = time.time()
    with workshop.started(*options, tag) as container:
        ready = datetime.fromisoformat(container.event("token_refreshed")["ts"]).timestamp()
        listening = datetime.fromisoformat(container.event("listening", listener="admin")["ts"]).timestamp()
        used = sum(map(int, Path(f"/proc/{container.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        begun = datetime.fromisoformat(json.loads(container.inspect("{{json .State.StartedAt}}"))).timestamp()
    return tuple(1000 * seconds for seconds in (ready - asked, listening - begun, ready - begun, used / CLOCK_TICKS))


def variants(workshop: Workshop, folder: Path) -> dict[str, str]:
    """Images, made of ours, by what they lack."""
    images = {"nothing": IMAGE}
    for number, (lack, folders) in enumerate(LACKING.items()):
        images[lack] = f"lacking-{number}"
        (folder / images[lack]).write_text(WITHOUT.format(image=IMAGE, folders=folders))
        workshop.build(folder, images[lack], "--file", folder / images[lack])
    return images


def starts(workshop: Workshop, folder: Path, rounds: int) -> Iterator[str]:
    images = variants(workshop, folder)
    mounts = [
        volume(folder / "key", "/var/run/secrets/token-broker"),
        volume(folder / "config", "/etc/token-broker"),
    ]
    write_key(folder / "key/private-key.jwk")
    (folder / "config/config.yaml").write_text(CONFIG)
    found: dict[str, list[tuple[float, ...]]] = {lack: [] for lack in images}
    with workshop.started(*RESTRICTED, IMAGE, "dev-server") as server:
        shared = [f"--network=container:{server.name}" if "network" in option else option for option in RESTRICTED]
        for _ in range(rounds):  # in turn, so that what disturbs one disturbs the others
            for lack, times in found.items():
                times.append(start(workshop, images[lack], [*shared, *mounts]))
    yield "ms: podman run to ready; process to listening; process to ready; CPU: median (least to most)"
    for lack, times in found.items():
        columns = [f"{median(all_):.0f} ({min(all_):.0f} to {max(all_):.0f})" for all_ in zip(*times, strict=True)]
        yield f"lacking {lack}: {'; '.join(columns)}"


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        workshop = Workshop(Path(folder, "containers"))
        context = Path(folder, "context")
        context.mkdir()
        try:
            workshop.import_base()
            workshop.build_product()
            for line in (*sizes(workshop), *starts(workshop, context, rounds)):
                click.echo(line)
        finally:
            workshop.remove()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 11)
