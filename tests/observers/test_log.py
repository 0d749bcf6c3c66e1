"""One line tells the person on call what happened, why, and what to do; strangers cannot write in it."""

import io
import json
import logging
import os
import pty
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from broker.core.errors import RefusalError
from broker.core.events import (
    CallerLoaded,
    CallerRefused,
    CertificateExpiring,
    ClockMeasured,
    ConfigChanged,
    Crashed,
    Event,
    HandedOut,
    KeyAccepted,
    KeyFellBack,
    KeyRefused,
    KeyRetired,
    Listening,
    RefreshForced,
    Refused,
    Reloading,
    ScopeReduced,
    Served,
    SinkCleared,
    SinkFailed,
    SinkWritten,
    Started,
    Stopping,
    TokenExpired,
    Warned,
)
from broker.core.settings import Log as LogSettings
from broker.observers.log import LibraryHandler, Log, stdout
from broker.providers.diagnose import diagnose
from told_events import SIGNATURE, TIMEOUT, failed, key_loaded, refreshed

#: 2026-11-23T19:33:20.250Z on the wall, and another time on the boot-time clock.
WALL, NOW = 1795462400.25, 1000.0


class Scene:
    """A log into memory, with clocks that are set by hand."""

    def __init__(self, **settings: Any) -> None:
        self.time = 0.0
        self.stream = io.BytesIO()
        self.log = Log(
            self.stream,
            LogSettings(**{"format": "json", **settings}),
            now=lambda: NOW + self.time,
            wall=lambda: WALL + self.time,
        )

    def tell(self, *events: Event) -> None:
        for event in events:
            self.log(event)

    @property
    def text(self) -> str:
        return self.stream.getvalue().decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]


EXAMPLES: list[Event] = [
    Started(version="0.1.0", tokens=("users",)),
    Listening(listener="api", addresses=("127.0.0.1:7180",)),
    Reloading(),
    Stopping(signal="SIGTERM", drain=0.0),
    refreshed(),
    failed(),
    TokenExpired(token="users", client="okta", reason="timeout"),
    ScopeReduced(token="users", client="okta", missing=("a", "b")),
    key_loaded(),
    KeyRefused(client="okta", file="/key", detail="/key: is empty.", kept=True),
    CertificateExpiring(client="entra", file="/certificate", not_after=WALL, days_left=-1),
    KeyAccepted(client="okta", kid="k1"),
    KeyRetired(client="okta", file="/key", kid="k0", algorithm="RS256"),
    KeyFellBack(client="okta", kid="k1", refused="k2", reason="kid_refused"),
    ClockMeasured(client="okta", offset=3.0, used=True),
    ConfigChanged(file="/c.yaml", stale=True),
    Warned(detail="clients.okta: plain http."),
    Served(route="/v1/token", code=200, seconds=0.0003),
    Refused(reason="host"),
    HandedOut(token="users", caller="anonymous"),
    RefreshForced(token="users", caller="reports", cause="rejected"),
    CallerLoaded(caller="reports", file="/secret", secrets=2, created=True),
    CallerRefused(caller="reports", file="/secret", detail="/secret is empty"),
    SinkWritten(token="users", file="/token"),
    SinkCleared(token="users", file="/token"),
    SinkFailed(token="users", file="/token", detail="/token cannot be written"),
    Crashed(where="x.py:1 f", error="KeyError"),
]


def test_every_event_has_a_line() -> None:
    scene = Scene(level="debug", audit=True)
    scene.tell(*EXAMPLES)
    assert scene.events == [event.name for event in EXAMPLES]
    assert {kind.name for kind in Event.__subclasses__()} == set(scene.events)
    assert {kind.name for kind in Event.__subclasses__() if hasattr(kind, "level")} == set(scene.events)


def test_a_refresh_is_one_json_line_with_the_promised_fields() -> None:
    scene = Scene()
    scene.tell(refreshed(now=NOW, lifetime=3600))
    assert scene.text.startswith('{"ts":"2026-11-23T19:33:20.250Z","level":"info","event":"token_refreshed","token":')
    assert scene.lines == [
        {
            "ts": "2026-11-23T19:33:20.250Z",
            "level": "info",
            "event": "token_refreshed",
            "token": "users",
            "client": "okta",
            "outcome": "success",
            "duration_ms": 250.0,
            "expires_at": "2026-11-23T20:33:20Z",
            "lifetime_s": 3600.0,
            "lead_s": 1200.0,
            "next_refresh_in_s": 1800.0,
        }
    ]


def test_a_failure_tells_cause_and_fix_and_the_server_words_in_one_line() -> None:
    scene = Scene()
    scene.tell(failed(now=NOW))
    (line,) = scene.lines
    assert (line["cause"], line["fix"]) == (SIGNATURE.cause, SIGNATURE.fix)
    assert line["server_said"] == "invalid_client: The client_assertion signature is invalid."
    assert line["reason"] == "signature_refused"
    assert line["retry_in_s"] == 15.0
    assert line["duration_ms"] == 123.4


def test_a_failure_is_a_warning_while_a_token_is_held_and_an_error_without() -> None:
    scene = Scene()
    scene.tell(failed("held", expires_at=NOW + 60), failed("none"))
    assert [line["level"] for line in scene.lines] == ["warning", "error"]
    assert scene.lines[0]["expires_at"] == "2026-11-23T19:34:20Z"


def test_the_end_of_a_certificate_is_what_it_says_and_not_reckoned_from_our_clock() -> None:
    scene = Scene()
    scene.tell(CertificateExpiring(client="entra", file="/certificate", not_after=1.8e9, days_left=12))
    (line,) = scene.lines
    assert (line["level"], line["not_after"], line["days_left"]) == ("warning", "2027-01-15T08:00:00Z", 12)
    assert "Have a new certificate issued" in line["fix"]


def test_an_unchanged_failure_is_said_once_and_then_every_five_minutes_with_a_count() -> None:
    scene = Scene()
    for _ in range(100):
        scene.tell(failed())
        scene.time += 10
    assert [line["ts"][11:19] for line in scene.lines] == ["19:33:20", "19:38:20", "19:43:20", "19:48:20"]
    assert [line.get("repeats") for line in scene.lines] == [None, 29, 29, 29]


def test_cause_that_comes_back_after_another_is_logged_again() -> None:
    scene = Scene()
    scene.tell(failed(), failed(), failed(diagnosis=TIMEOUT), failed("other"), failed(), failed(), failed("other"))
    scene.time += 300
    scene.tell(failed())
    assert [(line["token"], line["reason"], line.get("repeats")) for line in scene.lines] == [
        ("users", "signature_refused", None),
        ("users", "timeout", None),
        ("other", "signature_refused", None),
        ("users", "signature_refused", None),
        ("users", "signature_refused", 1),
    ]


def test_repetition_without_others_held_back_has_no_count() -> None:
    scene = Scene()
    scene.tell(failed())
    scene.time += 300
    scene.tell(failed())
    assert [line.get("repeats") for line in scene.lines] == [None, None]


def test_strangers_who_take_turns_write_no_line_for_each_request() -> None:
    scene = Scene()
    scene.tell(*[Refused(reason="host"), Refused(reason="browser")] * 100)
    assert [line["reason"] for line in scene.lines] == ["host", "browser"]


def test_recovery_tells_how_long_the_failure_lasted() -> None:
    scene = Scene()
    scene.tell(failed())
    scene.time += 90
    scene.tell(failed(), refreshed())
    assert scene.lines[-1]["failed_for_s"] == 90.0
    assert scene.lines[-1]["failed_attempts"] == 2


def test_after_a_recovery_the_same_failure_is_news_again() -> None:
    scene = Scene()
    scene.tell(failed(), refreshed(), failed(), refreshed(), refreshed())
    assert scene.events == ["refresh_failed", "token_refreshed"] * 2 + ["token_refreshed"]
    assert "failed_attempts" not in scene.lines[-1]


def test_one_token_recovering_leaves_the_others_failure_told() -> None:
    scene = Scene()
    scene.tell(failed("a"), failed("b"), refreshed("a"), failed("b"))
    assert [line["token"] for line in scene.lines] == ["a", "b", "a"]


def test_an_expiry_repeats_why() -> None:
    scene = Scene()
    scene.tell(failed(expires_at=NOW), TokenExpired(token="users", client="okta", reason="signature_refused"))
    assert scene.lines[-1]["level"] == "error"
    assert scene.lines[-1]["fix"] == SIGNATURE.fix


def test_refused_requests_do_not_flood() -> None:
    scene = Scene()
    for _ in range(1000):
        scene.tell(Refused(reason="host"))
    scene.tell(Refused(reason="browser"))
    scene.time += 60
    scene.tell(Refused(reason="host"))
    assert [(line["reason"], line.get("repeats")) for line in scene.lines] == [
        ("host", None),
        ("browser", None),
        ("host", 999),
    ]


def test_a_broken_key_file_is_said_once_and_again_when_it_breaks_again() -> None:
    scene = Scene()
    broken = KeyRefused(client="okta", file="/key", detail="/key: is empty.", kept=True)
    scene.tell(broken, broken, replace(broken, detail="/key: is no key."), broken, key_loaded(), broken)
    assert [(line["event"], line.get("detail")) for line in scene.lines] == [
        ("key_refused", "/key: is empty."),
        ("key_refused", "/key: is no key."),
        ("key_refused", "/key: is empty."),
        ("key_loaded", None),
        ("key_refused", "/key: is empty."),
    ]


def test_a_callers_broken_file_is_said_once_and_again_when_it_breaks_again() -> None:
    scene = Scene()
    broken = CallerRefused(caller="reports", file="/secret", detail="/secret is empty")
    scene.tell(broken, broken, CallerLoaded(caller="reports", file="/secret", secrets=1), broken)
    assert scene.events == ["caller_refused", "caller_loaded", "caller_refused"]


def test_a_sink_that_cannot_be_written_is_said_every_five_minutes_and_after_it_could() -> None:
    scene = Scene(level="debug")
    failed_sink = SinkFailed(token="users", file="/token", detail="/token cannot be written: No space left")
    for _ in range(40):
        scene.tell(failed_sink)
        scene.time += 10
    scene.tell(SinkWritten(token="users", file="/token"), failed_sink, SinkCleared(token="users", file="/token"))
    scene.tell(failed_sink)
    assert scene.events == ["sink_failed"] * 2 + ["sink_written", "sink_failed", "sink_cleared", "sink_failed"]
    assert scene.lines[1]["repeats"] == 29


def test_a_refused_key_is_an_error_when_there_is_no_other() -> None:
    scene = Scene()
    scene.tell(*(KeyRefused(client="okta", file="/key", detail="/key: is empty.", kept=kept) for kept in (True, False)))
    scene.tell(KeyRefused(client="other", file="/key", detail="/key: is empty.", kept=False))
    assert [line["level"] for line in scene.lines] == ["warning", "error"]


def test_a_clock_that_is_off_is_said_and_noise_is_not() -> None:
    scene = Scene()
    scene.tell(
        ClockMeasured(client="okta", offset=0.4, used=False), ClockMeasured(client="okta", offset=-30.06, used=True)
    )
    assert [(line["offset_s"], line["used"]) for line in scene.lines] == [(-30.1, True)]
    assert "NTP" in scene.lines[0]["fix"]
    scene.tell(ClockMeasured(client="okta", offset=900.0, used=False))
    assert scene.lines[-1]["level"] == "warning"


def test_a_clock_at_debug_level_needs_no_fix() -> None:
    scene = Scene(level="debug")
    scene.tell(ClockMeasured(client="okta", offset=0.4, used=False))
    assert "fix" not in scene.lines[0]


def test_a_configuration_that_is_stale_says_what_to_do_and_one_that_is_not_does_not() -> None:
    scene = Scene()
    scene.tell(ConfigChanged(file="/c.yaml", stale=True), ConfigChanged(file="/c.yaml", stale=False))
    assert [(line["level"], "fix" in line) for line in scene.lines] == [("warning", True), ("info", False)]


def test_requests_are_written_at_debug_only() -> None:
    quiet, loud = Scene(), Scene(level="debug")
    for scene in (quiet, loud):
        scene.tell(Served(route="/v1/token", code=200, seconds=0.0003))
    assert quiet.lines == []
    assert loud.lines[0]["duration_ms"] == 0.3


def test_handouts_are_written_for_the_audit_only_and_then_at_any_level() -> None:
    quiet, audit = Scene(level="debug"), Scene(level="error", audit=True)
    for scene in (quiet, audit):
        scene.tell(HandedOut(token="users", caller="anonymous"), HandedOut(token="users", caller="anonymous"))
    assert quiet.lines == []
    assert [(line["token"], line["caller"]) for line in audit.lines] == [("users", "anonymous")] * 2


@pytest.mark.parametrize(("level", "most"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_only_what_is_loud_enough_is_written(level: str, most: int) -> None:
    scene = Scene(level=level)
    scene.tell(
        Served(route="/v1/token", code=200, seconds=None),
        refreshed(),
        Refused(reason="host"),
        TokenExpired(token="users", client="okta", reason="timeout"),
    )
    assert len(scene.lines) == most


def test_what_was_too_quiet_to_be_written_does_not_count_as_said() -> None:
    scene = Scene(level="error")
    scene.tell(failed(expires_at=NOW + 60), failed())
    assert [(line["level"], line.get("repeats")) for line in scene.lines] == [("error", None)]


def test_a_token_that_outlives_the_calendar_can_be_written() -> None:
    scene = Scene()
    scene.tell(refreshed(lifetime=1e15))
    assert scene.lines[0]["expires_at"].startswith("9999-12-31T")


NASTY = st.text() | st.sampled_from(
    ["\r\n{}", "\x1b[2J", "\u2028", "\u202e", "\x85", "\ud800", '","level":"info"', "\0"]
)


@given(NASTY, NASTY, st.sampled_from(["json", "text"]))
def test_no_text_from_outside_leaves_its_place_in_the_line(one: str, other: str, form: str) -> None:
    scene = Scene(format=form)
    scene.tell(key_loaded(one, file=other), KeyRefused(client="okta", file=one, detail=other, kept=True))
    written = scene.text
    assert written.count("\n") == 2
    assert all(character.isprintable() for character in written.replace("\n", ""))
    if form == "json":
        assert [set(line) >= {"ts", "level", "event", "client", "file"} for line in scene.lines] == [True, True]
        assert (scene.lines[0]["kid"], scene.lines[1]["detail"]) == (one, other)


def test_a_server_that_quotes_our_assertion_does_not_put_it_into_the_log() -> None:
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpZCJ9aaaaaaaaaaaaaa.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    scene = Scene()
    scene.tell(failed(diagnosis=diagnose(RefusalError(400, "invalid_request", f"bad assertion {jwt}"))))
    assert "eyJ" not in scene.text
    assert "c2lnbmF0" not in scene.text


def test_a_terminal_line_begins_with_the_time_and_ends_with_the_sentences() -> None:
    scene = Scene(format="text")
    scene.tell(failed(now=NOW))
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d ERROR   refresh_failed token=users client=okta reason=signature_refused duration_ms=123\.4 "
        r"retry_in_s=15\.0: The private key .+ Fix: .+ Said: invalid_client: .+\.\n",
        scene.text,
    )


def test_words_with_spaces_are_quoted_on_a_terminal() -> None:
    scene = Scene(format="text")
    scene.tell(key_loaded("k 1", file='/a "b'), ScopeReduced(token="users", client="okta", missing=("a", "b,c")))
    assert 'file="/a \\"b" kid="k 1"' in scene.text
    assert 'missing=a,"b,c"\n' in scene.text


def test_auto_is_text_on_a_terminal_and_json_elsewhere(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with io.FileIO(theirs, "w") as terminal, (tmp_path / "log").open("wb", buffering=0) as file:
        for stream in (terminal, file):
            Log(stream, LogSettings(), now=lambda: NOW, wall=lambda: WALL)(Refused(reason="host"))
        assert b"WARNING request_refused reason=host\r\n" in os.read(ours, 1000)
    os.close(ours)
    assert json.loads((tmp_path / "log").read_text())["event"] == "request_refused"


def test_a_reader_that_has_gone_costs_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with io.FileIO(writer, "w") as stream:
        Log(stream, LogSettings(format="json"), now=lambda: NOW, wall=lambda: WALL)(refreshed())


def test_a_full_disk_costs_nothing() -> None:
    with io.FileIO("/dev/full", "w") as stream:
        Log(stream, LogSettings(format="json"), now=lambda: NOW, wall=lambda: WALL)(refreshed())


def test_failure_whose_line_was_dropped_is_not_held_back(tmp_path: Path) -> None:
    class Disk(io.FileIO):
        full = True

        def write(self, data: Any, /) -> int:
            return 0 if self.full else super().write(data) or 0

    with Disk(tmp_path / "log", "w") as disk:
        log = Log(disk, LogSettings(format="json"), now=lambda: NOW, wall=lambda: WALL)
        log(failed())
        disk.full = False
        log(failed())
        log(failed())
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["event"] == "refresh_failed"


def test_a_closed_stream_costs_nothing() -> None:
    stream = io.BytesIO()
    stream.close()
    Log(stream, LogSettings(format="json"), now=lambda: NOW, wall=lambda: WALL)(refreshed())


def test_a_reader_that_does_not_read_does_not_hold_up_the_loop_when_the_pipe_does_not_block() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(0)
        with io.FileIO(theirs.fileno(), "w", closefd=False) as stream:
            log = Log(stream, LogSettings(format="json"), now=lambda: NOW, wall=lambda: WALL)
            for _ in range(5000):
                log(refreshed())


def test_a_line_longer_than_one_write_takes_is_written_whole(tmp_path: Path) -> None:
    class Sips(io.FileIO):
        """Takes seven bytes at a time, as a signal may make of a large write into a pipe."""

        def write(self, data: Any, /) -> int:
            return super().write(bytes(data)[:7]) or 0

    with Sips(tmp_path / "log", "w") as stream:
        Log(stream, LogSettings(format="json"), now=lambda: NOW, wall=lambda: WALL)(refreshed())
    assert json.loads((tmp_path / "log").read_text())["event"] == "token_refreshed"


def test_what_is_remembered_for_repetitions_is_bounded() -> None:
    scene = Scene()
    for number in range(3000):
        scene.tell(KeyRefused(client="okta", file=f"/key-{number}", detail="is empty", kept=True))
    assert len(scene.log._last_written) == 1024


def test_warnings_of_libraries_become_lines_without_their_message() -> None:
    scene = Scene()
    logger = logging.getLogger("tests.a_library")
    logger.addHandler(LibraryHandler(scene.log))
    try:
        raise ValueError("Bearer s3cret")
    except ValueError:
        logger.exception("Error handling request %s", "s3cret")
        logger.exception("Error handling request %s", "s3cret")
    logger.warning("s3cret")
    logger.info("s3cret")
    assert "s3cret" not in scene.text
    assert [(line["level"], line["event"], line["logger"], line.get("error")) for line in scene.lines] == [
        ("error", "library", "tests.a_library", "ValueError"),
        ("warning", "library", "tests.a_library", None),
    ]
    assert all(re.fullmatch(r"test_log\.py:\d+ \w+", line["where"]) for line in scene.lines)


def test_stdout_is_written_without_a_buffer(capfd: pytest.CaptureFixture[str]) -> None:
    Log(stdout(), LogSettings(format="json"), now=lambda: NOW, wall=lambda: WALL)(refreshed())
    assert json.loads(capfd.readouterr().out)["event"] == "token_refreshed"


def test_a_program_started_without_stdout_logs_into_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)  # what Python makes of `>&-`
    stream = stdout()
    assert isinstance(stream, io.FileIO)
    with stream:
        assert stream.name == os.devnull


@pytest.mark.parametrize("form", ["json", "text"])
def test_dropped_lines_are_mentioned_at_every_level_with_a_fix(form: str) -> None:
    line = Scene(format=form, level="error").log.mention_dropped(12).decode()
    assert "log_lines_dropped" in line
    assert re.search(r'lines"?[=:]12\b', line)
    assert "Find out why the reader" in line
    assert line.endswith("\n")


def test_a_reload_has_what_is_still_wrong_said_again() -> None:
    scene = Scene()
    scene.tell(failed(), failed(), Reloading(), failed())
    assert scene.events == ["refresh_failed", "reloading", "refresh_failed"]
