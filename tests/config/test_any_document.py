"""Whatever stands in the file, it is settings or sentences; and what `show` prints are the same settings again."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from broker.config import resolve
from broker.config.rules import warnings
from broker.config.schema import schema
from broker.config.show import HIDDEN, show
from broker.core.errors import ConfigError
from broker.core.settings import ALGORITHMS, Settings
from broker.providers import PRESETS

Tree = Any
CONFIG = Path(__file__).parents[2] / "config"
EXAMPLES = [yaml.safe_load(path.read_text()) for path in sorted(CONFIG.glob("*.yaml"))]


def keys(part: dict[str, Tree]) -> Iterator[str]:
    for name, value in part.get("properties", {}).items():
        yield name
        yield from keys(value)
        yield from keys(value.get("items", {}))
    if isinstance(part.get("additionalProperties"), dict):
        yield from keys(part["additionalProperties"])


KEYS = sorted(set(keys(schema())))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "5s",
            "auto",
            "20%",
            "jwt_bearer",
            "google",
            "https://a",
            "forever",
            "none",
            "okta",
            "generic",
            "issuer",
            "${HOME}",
            "$$",
            ":1",
            "unix:/a",
        ]
    )
    | st.dates()
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def places(tree: Tree, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(value, (*place, key))


@st.composite
def spoilt_examples(draw: st.DrawFn) -> Tree:
    """An example with one value replaced by anything, or with anything added."""
    tree = copy.deepcopy(draw(st.sampled_from(EXAMPLES)))
    *above, last = draw(st.sampled_from([place for place in places(tree) if place]))
    part = tree
    for key in above:
        part = part[key]
    if isinstance(part, dict) and draw(st.booleans()):
        last = draw(st.sampled_from(KEYS))
    part[last] = draw(trees)
    return tree


def load(tree: Tree, folder: Path) -> Settings:
    path = folder / "config.yaml"
    path.write_text(tree if isinstance(tree, str) else yaml.dump(tree, allow_unicode=True), encoding="utf-8")
    return resolve.load(str(path), {"HOME": "/home"})


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents")


def outcome(tree: Tree, folder: Path) -> Settings | tuple[str, ...]:
    try:
        return load(tree, folder)
    except ConfigError as error:
        return error.complaints


@given(tree=trees | spoilt_examples())
def test_any_document_is_settings_or_sentences(tree: Tree, folder: Path) -> None:
    result = outcome(tree, folder)
    if isinstance(result, Settings):
        warnings(result)
        assert visible(load(show(result), folder)) == visible(result)
    else:
        assert result
        assert [line for line in result if not line.isprintable() or len(line) > 2000] == []
        assert [line for line in result if not line.startswith(str(folder))] == []


durations = st.integers(10_000, 86_400_000).map(lambda ms: f"{ms}ms") | st.integers(1, 24).map(lambda h: f"{h}h")
texts = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20).map(
    lambda t: t.replace("$", "$$")
)
names = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,8}[a-z0-9])?", fullmatch=True)
files = st.from_regex(r"/?[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True)
hosts = st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,5})?", fullmatch=True)
urls = st.builds("https://{}{}".format, hosts, st.sampled_from(["", "/", "/a/b", ":8443/a"]))
scopes = st.lists(
    st.from_regex(r"[!#-\[\]-~]{1,12}", fullmatch=True).map(lambda t: t.replace("$", "$$")), unique=True, max_size=3
)


def some(**keys: st.SearchStrategy[Tree]) -> st.SearchStrategy[dict[str, Tree]]:
    return st.fixed_dictionaries({}, optional=dict(keys))


https = some(
    timeout=durations,
    proxy=st.none()
    | st.just("none")
    | st.builds("http://{}:3128".format, hosts)
    | st.builds("http://u{0}@{0}".format, hosts),
    ca_file=files,
)
clients = st.fixed_dictionaries(
    {
        "issuer": urls,
        "client_id": texts,
        "private_key": st.fixed_dictionaries(
            {"file": files}, optional={"kid": texts, "algorithm": st.sampled_from(ALGORITHMS)}
        ),
        "assertion": st.fixed_dictionaries(
            {"audience": st.sampled_from(["issuer", "https://literal/"])},
            optional={
                "lifetime": durations,
                "typ": texts,
                "claims": st.dictionaries(names.map("x{}".format), texts, max_size=2),
            },
        ),
    },
    optional={
        "http": https,
        "max_clock_offset": durations,
        "send_client_id": st.booleans(),
        "token_endpoint": urls,
        "dpop": st.booleans().map(lambda wanted: {"targets": ["https://api.example.com"]} if wanted else wanted),
    },
)
bearers = some(issuer=texts, subject=texts | st.just("client_id"), scope_in=st.sampled_from(["assertion", "form"]))
tokens = some(
    scopes=scopes,
    audience=texts,
    resource=st.lists(urls, max_size=2),
    parameters=st.dictionaries(names, texts, max_size=2),
    refresh=st.fixed_dictionaries({"ahead": durations | st.just("auto") | st.integers(1, 100).map("{}%".format)}),
    required=st.booleans(),
    extra_fields=st.lists(st.sampled_from(["instance_url", "id", "a.b-c"]), unique=True),
    grant=st.sampled_from(["client_credentials", "jwt_bearer"]) | bearers.map(lambda said: {"jwt_bearer": said}),
)
configurations = st.fixed_dictionaries(
    {
        "clients": st.dictionaries(names, clients, min_size=1, max_size=1),
        "tokens": st.dictionaries(names, tokens, min_size=1, max_size=3),
    },
    optional={
        "http": https,
        "log": some(level=st.sampled_from(["debug", "error"]), audit=st.booleans()),
        "startup": some(wait=durations | st.just("forever")),
        "shutdown": some(drain=durations),
    },
)


def visible(settings: Settings) -> Tree:
    """What `show` may print of them."""
    tree = msgspec.to_builtins(settings, enc_hook=str)
    for client in tree["clients"].values():
        client["assertion"]["claims"] = dict.fromkeys(client["assertion"]["claims"])
        proxy = client["http"]["proxy"]
        client["http"]["proxy"] = proxy and (urlsplit(proxy).hostname, urlsplit(proxy).port, proxy == "none")
    for token in tree["tokens"].values():
        token["parameters"] = dict.fromkeys(token["parameters"])
    return tree


@given(tree=configurations)
def test_what_is_shown_are_the_same_settings_again(tree: Tree, folder: Path) -> None:
    settings = load(tree, folder)
    shown = show(settings)
    again = load(shown, folder)
    assert visible(again) == visible(settings)
    assert show(again) == shown


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIG.glob("*.yaml")))
def test_an_example_is_shown_as_the_same_settings(name: str, folder: Path) -> None:
    settings = resolve.load(str(CONFIG / f"{name}.yaml"), {})
    assert load(show(settings), folder) == settings


@pytest.mark.parametrize("provider", PRESETS)
def test_presets_are_shown(provider: str, folder: Path) -> None:
    client = {"provider": provider, "issuer": "https://a/", "client_id": "a", "private_key": {"file": "a"}}
    if provider == "okta":
        client["issuer"] = "https://a"
    tree: Tree = {"clients": {"a": client}, "tokens": {"b": {"scopes": ["okta.a"], "audience": "c"}}}
    if provider == "generic":
        client["assertion"] = {"audience": "issuer"}
    if provider == "entra":
        tree["tokens"]["b"]["scopes"] = ["https://a/.default"]
        client["private_key"] = {"file": "a", "certificate_file": "b"}
    if provider == "google":
        client["client_id"] = "a@b"
    if provider == "salesforce":
        tree["tokens"]["b"]["jwt_bearer"] = {"subject": "s"}
    whole = yaml.safe_load(show(load(tree, folder)))
    assert includes(whole["clients"]["a"], PRESETS[provider].client)
    own = {"jwt_bearer": {"subject": client["client_id"]}} if provider == "zitadel" else {}
    assert includes(whole["tokens"]["b"], {**PRESETS[provider].token, **own})


def includes(shown: Tree, partial: Tree) -> bool:
    """Whether all that is in `partial` is shown."""
    if isinstance(partial, Mapping):
        return all(includes(shown[key], value) for key, value in partial.items())
    return bool(shown == partial)


def test_secrets_are_hidden(folder: Path) -> None:
    tree = yaml.safe_load((CONFIG / "minimal.yaml").read_text())
    (client,), (token,) = tree["clients"].values(), list(tree["tokens"].values())[:1]
    client["assertion"] = {"claims": {"key": "S3CRET", "list": ["S3CRET"]}} | client.get("assertion", {})
    client["http"] = {"proxy": "http://S3CRET@proxy:3128/", "proxy_password_file": "password"}
    token["parameters"] = {"password": "S3CRET"}
    shown = show(load(tree, folder))
    assert "S3CRET" not in shown
    (hidden,) = yaml.safe_load(shown)["clients"].values()
    assert hidden["http"]["proxy"] == "http://hidden@proxy:3128/"
    assert hidden["assertion"]["claims"] == {"key": HIDDEN, "list": HIDDEN}
