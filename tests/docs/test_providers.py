"""The pages that get people started with a provider: what they show to write, what it leads to, and what it means."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from broker.core.errors import RefusalError
from broker.providers import PRESETS
from broker.providers.diagnose import diagnose
from docs.getting_started import FOLDER, Report, comparable, configurations, guides, reports, said
from docs.pages import Block, anchors, prose, tables
from docs.provider_stage import Tree
from each_case import for_each
from providers.examples import CONFIG

README = FOLDER / "README.md"
CONFIGURED = [(block, tree) for page in guides() for block, tree in configurations(page)]
EXAMPLES = {path.name: yaml.safe_load(path.read_text()) for path in sorted(CONFIG.glob("*.yaml"))}


def provider_of(tree: Tree) -> str:
    (client,) = tree["clients"].values()
    return str(client["provider"])


def within(part: Tree, whole: Tree) -> bool:
    """Whether all that `part` says is said by `whole`; of files the last name."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and within(said, whole[key]) for key, said in part.items())
    if isinstance(part, str) and isinstance(whole, str) and whole.startswith("/"):
        return Path(part).name == Path(whole).name
    return bool(part == whole)


@dataclass(frozen=True)
class Row:
    """Of a table of refusals: the words, and the reason that they are said to have with the preset `provider`."""

    place: str
    provider: str
    words: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place} {self.words[:60]}"


def rows() -> Iterator[Row]:
    """Of the tables that begin so, each for the configuration above it."""
    for page in guides():
        lines, judged = page.read_text().splitlines(), False
        for number, line in enumerate(lines, 1):
            judged = line.startswith("|") and (judged or line == "| it says | reason | what to do |")
            if judged and (match := re.match(r"\| (.+?) \| \[`(\w+)`\]\(\.\./reasons\.md#\2\) \| \S", line)):
                *_, tree = (tree for block, tree in configurations(page) if block.line < number)
                yield Row(f"{page.name}:{number}", provider_of(tree), match[1], match[2])
            else:
                assert not judged or re.fullmatch(r"\| it says .*|\| --- \| --- \| --- \|", line), line


@for_each(("block", "tree"), CONFIGURED)
def test_a_configuration_is_a_part_of_the_providers_example(block: Block, tree: Tree) -> None:
    del block
    provider = provider_of(tree)
    if provider != "generic":  # its example has every key there is
        assert any(within(tree, example) for example in EXAMPLES.values() if provider_of(example) == provider)


@pytest.mark.parametrize("report", reports(), ids=str)
async def test_check_says_what_the_page_shows(report: Report, tmp_path: Path) -> None:
    assert comparable(await said(report, tmp_path)) == comparable(report.text)


def test_every_provider_is_followed_until_check_is_green() -> None:
    green = {provider_of(report.tree) for report in reports() if report.text.endswith("\nAll good.\n")}
    assert green == PRESETS.keys() - {"keycloak"}


@for_each("row", list(rows()))
def test_a_refusal_has_the_reason_that_the_page_gives(row: Row) -> None:
    code, _, description = row.words.partition(": ")
    status = 429 if row.reason == "rate_limited" else 400
    assert diagnose(RefusalError(status, code, description), provider=row.provider).reason == row.reason


@for_each("page", guides())
def test_a_page_says_what_is_known_of_dpop_and_keys_and_what_was_verified(page: Path) -> None:
    assert "DPoP" in prose(page)
    assert "keys" in anchors(page)
    assert "../keys.md" in prose(page)
    assert page.read_text().rpartition("\n## ")[2].startswith("Verified\n")


def test_the_table_of_providers_has_them_all_with_their_pages_and_examples() -> None:
    ((*listed,),) = tables(README, "Getting started, by provider")
    assert sorted(row[1] for row in listed) == sorted(f"`{name}`" for name in PRESETS)
    for name, quoted, does, _, shown in listed:
        preset = quoted.strip("`")
        (page,) = re.findall(r"\]\((\S+?)(?:#\S+)?\)", name)
        assert PRESETS[preset].title in name
        assert preset in {provider_of(tree) for _, tree in configurations(FOLDER / page)}
        assert ("is the grant" in does) == (PRESETS[preset].token.get("grant") == "jwt_bearer")
        linked = re.findall(r"\]\(\.\./\.\./config/(\S+)\)", shown)
        assert linked
        assert {provider_of(EXAMPLES[example]) for example in linked} == {preset}


def test_every_page_is_in_the_table() -> None:
    assert {page.name for page in FOLDER.glob("*.md")} - {"README.md"} == set(
        re.findall(r"\| \[[^\]]+\]\((\w+\.md)", README.read_text())
    )
