"""docs/providers/keycloak.md against what the tests beside this file heard from Keycloak itself."""

from docs.pages import ROOT, prose, tables
from keycloak.distribution import pinned
from keycloak.refusals import REFUSALS

PAGE = ROOT / "docs/providers/keycloak.md"


def test_the_page_explains_every_sentence_and_no_other() -> None:
    (table,) = tables(PAGE, "When it is refused")
    assert {row[0] for row in table} == {refusal.says for refusal in REFUSALS}


def test_the_page_names_the_release_that_it_was_verified_against() -> None:
    assert f"Keycloak {pinned('version')}" in prose(PAGE)
