"""docs/clients.md says which snippets are run; those that are not have at least their shape."""

import inspect
import re
from typing import Any

import msgspec
import yaml

from broker.core.settings import Dpop
from broker.workload_api.proofs import ProofRequest, parse_proof_request
from clients import test_envoy, test_snippets
from clients.page import BLOCKS, SNIPPETS, TEXT
from clients.stage import API, BROKER, SECRET_FILE

LANGUAGES = {"sh", "bash", "python", "go", "java", "js", "yaml", "csharp"}


def parsed(name: str) -> Any:
    return yaml.safe_load(SNIPPETS[name].code)


def test_every_snippet_of_a_client_is_marked() -> None:
    plain = [block.code for block in BLOCKS if not block.mark]
    assert len(plain) == 5, "a rejected token, what is asked for with a proof, two configurations, NO_PROXY"
    assert len(SNIPPETS) == len(BLOCKS) - len(plain)
    assert TEXT.count("```") == 2 * len(BLOCKS)
    assert {block.language for block in SNIPPETS.values()} <= LANGUAGES


def test_every_snippet_that_is_said_to_be_run_is_in_a_test_and_no_other() -> None:
    tests = "".join(map(inspect.getsource, (test_snippets, test_envoy)))
    for name, block in SNIPPETS.items():
        assert (f'"{name}"' in tests) == (block.mark == "run"), name


def test_every_link_within_the_page_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings


def test_snippets_name_only_what_tests_replace() -> None:
    hosts = {url for block in SNIPPETS.values() for url in re.findall(r"https?://[^/\"'\s}`]+", block.code)}
    assert hosts == {BROKER, API}
    files = {file for block in SNIPPETS.values() for file in re.findall(r"/var/run/[\w/]+", block.code)}
    assert files == {SECRET_FILE, SECRET_FILE.removesuffix("reports")}


def test_the_caller_of_the_page_is_a_configuration() -> None:
    section, _ = (yaml.safe_load(block.code) for block in BLOCKS if block.language == "yaml" and not block.mark)
    assert section["api"]["callers"] == {"reports": {"secret_file": SECRET_FILE}}
    assert section["tokens"]["users-api"]["callers"] == ["reports"]


def test_what_the_page_says_of_dpop_is_a_clients_configuration_and_what_is_asked_for_is_within_it() -> None:
    _, section = (yaml.safe_load(block.code) for block in BLOCKS if block.language == "yaml" and not block.mark)
    bound = msgspec.convert(section["clients"]["okta"]["dpop"], Dpop)
    (asked,) = (block.code for block in BLOCKS if "/proof" in block.code and not block.mark)
    wanted = parse_proof_request(asked.partition("\n\n")[2].encode())
    assert isinstance(wanted, ProofRequest)
    assert wanted.place.origin in bound.targets


def test_spring_boots_registration_and_provider_belong_together() -> None:
    client = parsed("spring-boot")["spring"]["security"]["oauth2"]["client"]
    ((name, registration),) = client["registration"].items()
    assert registration["authorization-grant-type"] == "client_credentials"
    assert client["provider"][registration["provider"]] == {"token-uri": f"{BROKER}/oauth2/token"}
    assert f'"{name}"' in SNIPPETS["spring-client"].code
    tree = parsed("spring-boot")["spring"]["config"]["import"].removeprefix("configtree:")
    assert tree + registration["client-secret"][2:-1] == SECRET_FILE


def test_grafanas_data_source_has_the_keys_that_infinity_reads() -> None:
    (source,) = parsed("grafana")["datasources"]
    assert source["type"] == "yesoreyeram-infinity-datasource"
    settings = source["jsonData"]
    assert (settings["auth_method"], settings["allowedHosts"]) == ("oauth2", [API])
    assert settings["oauth2"] == {
        "oauth2_type": "client_credentials",
        "client_id": "users-api",
        "token_url": f"{BROKER}/oauth2/token",
    }
    assert source["secureJsonData"] == {"oauth2ClientSecret": f"$__file{{{SECRET_FILE}}}"}


def test_what_is_not_run_is_balanced_at_least() -> None:
    for name in ("dotnet", "spring-client"):
        code = re.sub(r'"[^"]*"', "", SNIPPETS[name].code)
        for opening, closing in ("{}", "()", "[]"):
            assert code.count(opening) == code.count(closing), name
