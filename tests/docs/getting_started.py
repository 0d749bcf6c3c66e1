"""The pages that get people started with a provider, followed as they stand.

The commands of a page make the keys, its configuration is the one that is run, and what `check` says is what the page
shows. The answers come from the strict servers of `providers`, under the names of the real ones: behind a proxy, and
with certificates that `SSL_CERT_FILE` vouches for. As a program, this puts the present reports into the pages.
"""

import asyncio
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from docs.examples import kind_of
from docs.pages import ROOT, Block, blocks
from docs.provider_stage import Tree, judge_of, make_files, reached
from e2e.processes import COMMAND

FOLDER = ROOT / "docs/providers"
#: Where the pages show their files to be.
HOME = "/srv/acme"
MARKER = re.compile(r"<!-- check: (?P<name>[\w-]+)(?:, refused (?P<status>\d+) (?P<code>\w+)(?:: (?P<words>.*))?)? -->")


def guides() -> list[Path]:
    """The pages; Keycloak's is held against a Keycloak elsewhere."""
    return [page for page in sorted(FOLDER.glob("*.md")) if page.name not in ("README.md", "keycloak.md")]


def configurations(page: Path) -> list[tuple[Block, Tree]]:
    """The blocks with clients, in order."""
    loaded = [(block, yaml.safe_load(block.text)) for block in blocks(page, "yaml")]
    return [(block, tree) for block, tree in loaded if kind_of(tree) == "configuration" and "clients" in tree]


@dataclass(frozen=True)
class Report:
    """A block that shows what `check` says: of which configuration, answered as by which example's provider.

    `refused` are status, code and words where it is to say no.
    """

    block: Block
    name: str
    refused: tuple[int, str, str] | None
    config: str

    def __str__(self) -> str:
        return str(self.block)

    @property
    def tree(self) -> Tree:
        return yaml.safe_load(self.config)

    @property
    def command(self) -> list[str]:
        return shlex.split(self.block.text.splitlines()[0].removeprefix("$ token-broker "))

    @property
    def text(self) -> str:
        """All but the command."""
        return self.block.text.partition("\n")[2]

    @property
    def keys(self) -> list[list[str]]:
        """Commands that make key files, of all blocks above."""
        above = [block for block in blocks(self.block.page, "console") if block.line < self.block.line]
        typed = re.findall(
            r"^\$ ((?:openssl|token-broker keygen) .*(?:\\\n.*)*)", "".join(b.text for b in above), re.MULTILINE
        )
        return [shlex.split(line) for line in typed]


def reports() -> list[Report]:
    return [report for page in guides() for report in _reports(page)]


def _reports(page: Path) -> Iterator[Report]:
    text = page.read_text().splitlines()
    for block in blocks(page, "console"):
        if marker := MARKER.fullmatch(text[block.line - 2]):
            *_, config = (above.text for above, _ in configurations(page) if above.line < block.line)
            refused = (int(marker["status"]), marker["code"], marker["words"] or "") if marker["status"] else None
            yield Report(block, marker["name"], refused, config)


async def said(report: Report, folder: Path) -> str:
    """What `check` prints, with the files in `folder`."""
    (client,) = report.tree["clients"].values()
    make_files(report.keys, client, folder)
    (folder / "config.yaml").write_text(report.config.replace("/var/", f"{folder}/var/"))
    judge = judge_of(report.name, report.tree, folder, report.refused)
    async with reached(judge, folder / "authority") as env:
        process = await asyncio.create_subprocess_exec(
            COMMAND, *report.command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        out, _ = await process.communicate()
    return _shown(out.decode(), str(folder))


def _shown(text: str, folder: str) -> str:
    """As it would be in `HOME` and without the proxy, wrapped anew."""

    def wrapped(step: re.Match[str]) -> str:
        detail = " ".join(step[2].split())
        detail = detail.replace(f"{folder}/var/", "/var/").replace(folder, HOME)
        detail = re.sub(r", through the proxy \S+ \(.*?\)", "", detail)
        return step[1] + f"\n{' ' * 21}".join(textwrap.wrap(detail, 59, break_long_words=False, break_on_hyphens=False))

    return re.sub(r"^((?:ok  |warn|FAIL|--  )  .{15})(.*(?:\n {21}\S.*)*)", wrapped, text, flags=re.MULTILINE)


def comparable(text: str) -> str:
    """Without what differs from run to run: keys, dates, clocks, and where lines break for them."""
    text = " ".join(text.split())
    text = re.sub(r"\b(thumbprint|x5t#S256) [\w-]{43}", r"\1 …", text)
    text = re.sub(r'"([nxy])": "[\w-]+"', r'"\1": "…"', text)
    text = re.sub(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d UTC)?", "…", text)
    return re.sub(r"ours is [\d.]+ s (?:behind|ahead of) the server's", "ours is … the server's", text)


def main() -> None:
    """Put into the pages what `check` says now, where it has changed."""
    for number in range(len(reports())):
        report = reports()[number]  # those before it may have moved it
        with tempfile.TemporaryDirectory() as folder:
            now = asyncio.run(said(report, Path(folder)))
        if comparable(now) != comparable(report.text):
            page, command = report.block.page, report.block.text.partition("\n")[0]
            above, below = _split(page.read_text(), report.block.line)
            page.write_text(above + below.replace(report.block.text, f"{command}\n{now}", 1))
            sys.stdout.write(f"{report}\n")


def _split(text: str, line: int) -> tuple[str, str]:
    parts = text.splitlines(keepends=True)
    return "".join(parts[: line - 1]), "".join(parts[line - 1 :])


if __name__ == "__main__":
    main()
