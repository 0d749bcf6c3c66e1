"""A stand-in for the base image of our Dockerfile, made on this machine, so that no registry is needed.

Debian's files come from its mirror, CPython from this machine. As in the real one (docker-library/python,
3.13/slim-bookworm), CPython lives under /usr/local, and its library has neither tests nor bytecode.
"""

import ast
import fcntl
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from programs.installed import missing, needed

#: What the real one has besides CPython and the libraries that it is linked to.
PACKAGES = {"ca-certificates", "netbase", "tzdata"}
LOCALES_AND_MANUALS = ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists")
#: Of this machine's pip: how it reaches its package index.
PIP_SETTINGS = {"cert", "extra-index-url", "index-url", "proxy", "trusted-host"}
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")


def tarball() -> Path:
    """The stand-in's file system; made once for each environment, in whose folder it is kept."""
    for program, package in (("debootstrap", "debootstrap"), ("apt-get", "apt")):
        needed(program, package)
    if os.geteuid():
        missing("only root can make a root file system")
    prefix, pip = cpython(), pip_settings()
    authorities = Path("/", CERTIFICATES).read_bytes()
    ingredients = (Path(__file__).read_bytes(), str(prefix).encode(), pip.encode(), authorities)
    path = Path(sys.prefix, f"stand-in-{hashlib.sha256(b''.join(ingredients)).hexdigest()[:12]}.tar")
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for outdated in path.parent.glob("stand-in-*.tar"):
                outdated.unlink()
            with tempfile.TemporaryDirectory(prefix="stand-in-") as folder:
                root = Path(folder, "root")
                debian(root, prefix)
                install(prefix, root / "usr/local")
                # A mirror or a private authority is this machine's business and never the Dockerfile's.
                (root / "etc/pip.conf").write_text(pip)
                (root / CERTIFICATES).write_bytes(authorities)
                run("chroot", root, "ldconfig")
                run("tar", "--create", "--numeric-owner", "--directory", root, "--file", f"{folder}/tar", ".")
                shutil.move(f"{folder}/tar", path)
    return path


def cpython() -> Path:
    """Where a CPython is installed by itself: the version that the image has, or else that of the tests."""
    beside_ours = Path(sys.base_prefix).parent.glob("*3.13*/bin/python3.13")
    for name in (shutil.which("python3.13"), *beside_ours, sys.executable):
        ask = [str(name), "-c", "import sys; print(sys.base_prefix)"]
        found = subprocess.run(ask, capture_output=True, check=False) if name else None
        # The distribution's own is spread over /usr, and patched to look for its packages elsewhere.
        if found and not found.returncode and (prefix := found.stdout.decode().strip()) != "/usr":
            return Path(prefix)
    return missing(
        "there is no CPython but the distribution's; install one that has a folder of its own, as pyenv does"
    )


def debian(root: Path, prefix: Path) -> None:
    """The same Debian as this machine's, so that CPython finds the libraries that it is linked to."""
    packages = ",".join(sorted(PACKAGES | set(linked_packages(prefix))))
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    run("debootstrap", "--variant=minbase", f"--include={packages}", release, root, mirror(release))
    for folder in LOCALES_AND_MANUALS:
        shutil.rmtree(root / folder, ignore_errors=True)


def mirror(release: str) -> str:
    """Where apt on this machine has the release from."""
    for line in run("apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)").splitlines():
        match line.split():
            case [found, "main", address] if found == release:
                return address
    return missing(f"apt on this machine has no source for {release}")


def linked_packages(prefix: Path) -> Iterator[str]:
    """Debian packages with the shared libraries that CPython needs; tkinter's are left out, as in the real one."""
    binaries = [file for file in prefix.glob("lib/python3.*/lib-dynload/*.so") if "tkinter" not in file.name]
    libraries = set()
    for binary in (*binaries, *prefix.glob("bin/python3.??")):
        for line in run("ldd", binary).splitlines():
            _, arrow, rest = line.partition("=> ")
            if arrow and not rest.startswith(str(prefix)):
                libraries.add(rest.split()[0].removeprefix("/usr").removeprefix("/"))
    for line in run("dpkg-query", "--search", *(f"*{library}" for library in sorted(libraries))).splitlines():
        yield line.partition(":")[0]


def install(prefix: Path, target: Path) -> None:
    """Copy CPython, and the pip of this environment, which is pure Python."""
    library = next(prefix.glob("lib/python3.??"))
    (target / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy2(prefix / "bin" / library.name, target / "bin")
    for name in ("python3", "python"):
        (target / "bin" / name).symlink_to(library.name)
    for shared in prefix.glob("lib/libpython3*.so*"):
        shutil.copy2(shared, target / "lib", follow_symlinks=False)
    dropped = shutil.ignore_patterns("__pycache__", "site-packages", "test", "tests", "idle_test", "*.a")
    shutil.copytree(library, target / "lib" / library.name, symlinks=True, ignore=dropped)
    ours = Path(subprocess.__file__)  # any module of the running interpreter's library would do
    for folder in Path(sys.prefix, "lib", ours.parent.name, "site-packages").glob("pip*"):
        shutil.copytree(folder, target / "lib" / library.name / "site-packages" / folder.name, ignore=dropped)


def pip_settings() -> str:
    """A pip.conf that says what this machine's files and variables say together."""
    found: dict[str, str] = {}
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        name = name.removeprefix("global.").removeprefix(":env:.")
        if name in PIP_SETTINGS:
            found.setdefault(
                name, ast.literal_eval(value).replace("\n", "\n ")
            )  # variables go before files, and are listed first
    if "cert" in found:
        found["cert"] = f"/{CERTIFICATES}"
    return "\n".join(["[global]", *(f"{name} = {value}" for name, value in sorted(found.items())), ""])


def run(*command: str | Path) -> str:
    """What a command prints; its complaint when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{shlex.join(map(str, command))}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout
