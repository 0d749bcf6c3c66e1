"""The documents as people read them: pages, their blocks, links and tables, and what links call their headings."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/kubernetes.md"
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(
    r"""\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|\b(?:src|srcset|href)="([^"]+)"|^\[[^\]]+\]:\s+(\S+)""", re.MULTILINE
)
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
NAMED = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: the page and line it begins at, its language ("" for none) and its text."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def title(self) -> str:
        """What the comment in its first line calls it, such as `values.yaml`."""
        match = re.match(r"# *(\S.*)", self.text)
        return match[1] if match else ""


def pages() -> list[Path]:
    """Every page of the repository, in a steady order."""
    return sorted(
        page
        for pattern in ("*.md", "docs/**/*.md", "helm/**/*.md", "benchmarks/**/*.md")
        for page in ROOT.glob(pattern)
        if "node_modules" not in page.parts
    )


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page in these languages, or all."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        dedented = re.sub(f"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        found.append(Block(page, text.count("\n", 0, match.start()) + 1, match["language"], dedented))
    return [block for block in found if not languages or block.language in languages]


def all_blocks(*languages: str) -> list[Block]:
    return [block for page in pages() for block in blocks(page, *languages)]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def inline_code(page: Path) -> Iterator[str]:
    """What stands between backticks, each in one line."""
    for match in CODE.finditer(prose(page)):
        yield " ".join(match[2].split()).replace("\\|", "|")


def links(page: Path) -> list[str]:
    """Where the page links to, as it is written."""
    return [unquote(match[1] or match[2] or match[3]) for match in LINK.finditer(CODE.sub("", prose(page)))]


def anchors(page: Path) -> set[str]:
    """What may stand after `#` in a link to the page: its headings as GitHub names them, and what it names itself."""
    seen: Counter[str] = Counter()
    found = set(NAMED.findall(prose(page)))
    for heading in HEADING.findall(prose(page)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def tables(page: Path, heading: str) -> list[list[list[str]]]:
    """The tables below that heading and above the next: rows of cells, without the header."""
    section = re.split(rf"^#+ {re.escape(heading)}$", prose(page), maxsplit=1, flags=re.MULTILINE)[1]
    section = re.split(r"^#", section, maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    return [
        [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table.splitlines()[2:]]
        for table in found
    ]
