"""The page as a text; tests/browser looks at it in a browser."""

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from msgspec.structs import replace

from broker.admin.status import html
from broker.admin.status.sentences import SYMBOLS
from broker.core.errors import NetworkError, RefusalError
from broker.core.events import ClockMeasured, KeyRefused, Listening, SinkFailed, Warned
from broker.core.settings import KeySettings, SinkSettings, TokenSettings
from status_scenes import Scene, a_client, one_token, write_key

DOWN = NetworkError("connect", "idp.example:443", "Connection refused")
VOID = {"meta", "link", "rect", "path", "circle"}


class Reader(HTMLParser):
    """Every element with its attributes; raises on a tag that is not closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def read(scene: Scene) -> Reader:
    return Reader(html.render(scene.seen()))


def every_state(folder: Path) -> Scene:
    """One token in each, two keys, and every remark."""
    names = ("good", "failing", "expired", "missing", "starting", "same")
    files = [folder / "one.jwk", folder / "two.jwk"]
    write_key(files[0], 1, None)
    scene = Scene(
        {"okta": a_client(private_keys=tuple(KeySettings(file=str(file)) for file in files))},
        {
            name: TokenSettings(
                client="okta", required=name != "good", audience="urn:api", resource=("https://a.example",)
            )
            for name in names
        },
    )
    scene.hold("expired", age=0, lifetime=60)
    scene.time += 600
    for name in ("good", "failing"):
        scene.hold(name, scope="read")
    for name in ("failing", "expired", "missing", "same"):
        scene.fail(name, DOWN)
    scene.tell(Warned(detail="a warning"), ClockMeasured(client="okta", offset=20.0, used=True))
    return scene


async def test_every_state_is_well_formed_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    scene = every_state(tmp_path)
    await scene.keys["okta"].load()
    page = read(scene)
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in page.all("a"):
        target = link["href"] or ""
        assert target.removeprefix("#") in ids if target.startswith("#") else not target.startswith(("/", "http"))


def test_nothing_is_loaded_from_anywhere(tmp_path: Path) -> None:
    page = read(every_state(tmp_path))
    (icon,) = page.all("link")
    assert (icon["href"] or "").startswith("data:image/svg+xml,%3Csvg")
    assert not {tag for tag, _ in page.found} & {"img", "iframe", "object", "base", "form", "input"}
    assert not [tag for tag, attributes in page.found if {"src", "style", "srcset"} & attributes.keys()]
    assert not [name for _, attributes in page.found for name in attributes if name.startswith("on")]


def test_the_state_is_in_the_title_in_shape_and_word() -> None:
    scene = one_token()
    scene.hold("users-api")
    assert "<title>● ready · token-broker</title>" in html.render(scene.seen())
    scene.time += 3600
    assert "<title>✖ not ready · token-broker</title>" in html.render(scene.seen())
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)


def test_the_bar_tells_the_time_left_to_everyone() -> None:
    scene = one_token()
    scene.hold("users-api", age=900, lifetime=3600)
    page = read(scene)
    (meter,) = (attributes for _, attributes in page.found if attributes.get("role") == "meter")
    assert (meter["aria-valuemin"], meter["aria-valuenow"], meter["aria-valuemax"]) == ("0", "2700", "3600")
    assert meter["aria-valuetext"] == "45 min of 60 min left"
    rects = {rect["class"]: rect for rect in page.all("rect") if rect.get("y") != "9" and rect["width"] != "20"}
    assert rects["left"]["width"] == "750"
    # Replaced a third of the lifetime ahead, drawn from the tenth before that.
    assert (rects["window"]["x"], rects["window"]["width"]) == ("333", "100")
    assert {"class": "lead", "d": "M333 0V14"} in page.all("path")


def test_the_window_is_where_the_server_wants_it() -> None:
    scene = one_token()
    scene.hold("users-api", age=10, lifetime=3600)
    token = scene.store.get("users-api")
    assert token
    scene.store.put(
        "users-api", type(token)(**{n: getattr(token, n) for n in token.__slots__} | {"refresh_in": 1800.0})
    )
    (seen,) = scene.seen().tokens
    assert seen.window
    assert seen.expires_at
    assert [seen.expires_at - moment for moment in seen.window] == [1980, 1800]


def test_a_reason_that_many_tokens_share_is_explained_once(tmp_path: Path) -> None:
    page = html.render(every_state(tmp_path).seen())
    assert page.count("<dt>Cause</dt>") == 1
    assert page.count("<code>connect_failed</code>") == 4
    assert page.count('as <a href="#token-missing">missing</a>') == 3


def test_what_to_type_is_set_apart_in_a_fix() -> None:
    scene = one_token()
    scene.fail("users-api", RefusalError(401, "invalid_client", "The client_assertion signature is invalid."))
    assert "<code>token-broker jwks --client okta</code>" in html.render(scene.seen())


def test_one_token_is_shown_unfolded_and_several_are_not(tmp_path: Path) -> None:
    assert [details.keys() for details in read(one_token()).all("details")] == [{"open"}]
    assert not any("open" in details for details in read(every_state(tmp_path)).all("details"))


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e\x00\x1b[2J"


def texts(scene: Scene) -> str:
    """What people read; raises where markup came of a text from outside."""
    page = read(scene)
    assert not {tag for tag, _ in page.found} & {"img", "b"}
    assert len(page.all("script")) == 1
    return page.text


async def test_no_text_from_outside_becomes_markup(tmp_path: Path) -> None:
    file = tmp_path / "<b>key.jwk"
    write_key(file, 1, "\"><script>alert('kid')</script>")
    scene = Scene(
        {
            "okta": a_client(
                issuer="https://a.example/<b>",
                client_id=EVIL,
                provider="<b>",
                private_keys=(KeySettings(file=str(file)),),
            )
        },
        {
            "t": TokenSettings(
                client="okta",
                scopes=(EVIL, "<b>granted"),
                audience=EVIL,
                resource=(EVIL,),
                sinks=(SinkSettings(path="/run/<b>token"),),
            )
        },
    )
    await scene.keys["okta"].load()
    scene.endpoints["okta"] = f"https://a.example/{EVIL}"
    scene.hold("t", scope=f"{EVIL} <script> <b>granted")
    scene.fail("t", RefusalError(400, EVIL, EVIL))
    scene.tell(Warned(detail=EVIL), KeyRefused(client="okta", file=str(file), detail=EVIL, kept=True))
    scene.tell(Listening(listener="api", addresses=("unix:/run/<b>.sock",)))
    scene.tell(SinkFailed(token="t", file="/run/<b>token", detail=f"/run/<b>token {EVIL}"))
    assert "/run/<b>token no token in it yet" in texts(scene)
    assert texts(scene).count("<script>alert(1)</script>") >= 8
    assert not {"\u202e", "\x1b", "\x00"} & set(html.render(scene.seen()))


def test_names_become_no_markup_though_the_configuration_takes_none_of_these() -> None:
    names, client = ('"><b>one', '"><b>two'), '"><b>okta'
    scene = Scene({client: a_client()}, {name: TokenSettings(client=client) for name in names})
    for name in names:
        scene.fail(name, RefusalError(401, "invalid_client", "The client_assertion signature is invalid."))
    said = texts(scene)
    scene.fail(names[0], NetworkError("connect", "<b>idp:443", "<b>refused"))
    assert "No connection to <b>idp:443 was made." in texts(scene)
    for sentence in ('missing: "><b>one and "><b>two', 'as "><b>one', 'token-broker jwks --client "><b>okta'):
        assert sentence in said


@pytest.mark.parametrize("kept", [False, True])
async def test_the_refusal_of_a_key_file_becomes_no_markup(tmp_path: Path, *, kept: bool) -> None:
    file = tmp_path / "<b>key.jwk"
    scene = Scene({"okta": a_client(private_keys=(KeySettings(file=str(file)),))}, {"t": TokenSettings(client="okta")})
    if kept:
        write_key(file, 1, None)
        await scene.keys["okta"].load()
    file.write_text("broken")
    await scene.keys["okta"].load()
    (state,) = scene.key_states("okta")
    assert state.refusal
    assert state.refusal.startswith(str(file))
    # With the key, and where the key before it stays in use once more among the remarks.
    assert texts(scene).count(state.refusal) == 1 + kept


def test_the_name_of_the_host_becomes_no_markup() -> None:
    scene = one_token()
    scene.sources = replace(scene.sources, host="<b>pod</b><img src=x>")
    assert "<b>pod</b><img src=x>" in texts(scene)


def test_two_hundred_tokens_take_no_more_than_their_share_of_the_loop() -> None:
    """20 tokens against 200, since it may be that coverage watches: about ten times as long, not a hundred times."""

    def least(count: int) -> float:
        names = [f"t{i}" for i in range(count)]
        scene = Scene({"okta": a_client()}, {name: TokenSettings(client="okta", scopes=("a", "b")) for name in names})
        for name in names:
            scene.hold(name)
            scene.fail(name, DOWN)
        took = []
        for _ in range(5):
            began = time.process_time()
            html.render(scene.seen())
            took.append(time.process_time() - began)
        return min(took)

    assert least(200) < 25 * least(20)


def test_a_scope_of_any_size_does_not_hold_it_up_either() -> None:
    scene = one_token()
    scene.hold("users-api", scope="a " * 500_000)
    began = time.process_time()
    html.render(scene.seen())
    assert time.process_time() - began < 0.1


def test_the_policy_allows_exactly_the_style_and_the_script_of_the_page() -> None:
    policy = html.policy()
    assert re.findall(r"'([a-z-]+)'", policy) == ["none", "self", "none", "none", "none"]
    assert len(re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", policy)) == 2
    assert "unsafe" not in policy


def test_the_wheel_holds_the_parts_of_the_page() -> None:
    builder = WheelBuilder(str(Path(__file__).parents[3]))
    packed = {Path(file.distribution_path).name for file in builder.recurse_included_files()}
    assert {"page.html", "page.css", "page.js"} <= packed
