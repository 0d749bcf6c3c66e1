"""Links and paths in the documents lead somewhere."""

import re
from pathlib import Path

from docs.pages import ROOT, anchors, inline_code, links, pages
from each_case import for_each

PATH = re.compile(r"(?:broker|tests|docs|helm|config|benchmarks|requirements|\.ci)/[\w./-]*")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@for_each("page", pages())
def test_a_link_within_the_repository_leads_somewhere(page: Path) -> None:
    within = [link for link in links(page) if not re.match(r"\w+:", link)]
    assert [link for link in within if not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    target, _, anchor = link.partition("#")
    file = (page.parent / target).resolve() if target else page
    within = file.exists() and ROOT in (file, *file.parents)
    return within and (not anchor or file.suffix != ".md" or anchor in anchors(file))


@for_each("page", pages())
def test_a_link_elsewhere_is_encrypted(page: Path) -> None:
    assert [
        link for link in links(page) if re.match(r"\w+:", link) and not link.startswith(("https:", "mailto:"))
    ] == []


@for_each("page", pages())
def test_a_path_that_is_named_exists(page: Path) -> None:
    assert [code for code in inline_code(page) if PATH.fullmatch(code) and not (ROOT / code).exists()] == []
