"""Rules between callers, lists and sinks."""

from pathlib import Path

import pytest

from broker.config import resolve
from broker.config.rules import warnings
from broker.core.errors import ConfigError
from broker.core.settings import Settings
from configurations import OKTA, Complaints, spoilt

SCOPES = "scopes: [okta.users.read]"
LISTEN = "listen: [localhost:7180]"
CALLERS = f"{LISTEN}\n  callers: {{reports: {{secret_file: secret}}}}"
MEANT = (
    "gives the token to whoever may read the file, and it is for callers only; write ignores_callers: true if that is"
    " meant"
)


def settings(folder: Path, text: str) -> Settings:
    file = folder / "config.yaml"
    file.write_text(text)
    return resolve.load(str(file), {})


def with_token(more: str, text: str = OKTA) -> str:
    return spoilt(text, SCOPES, f"{SCOPES}\n    {more}")


def test_a_file_for_everyone_needs_saying_so_where_the_token_is_for_callers(complaints: Complaints) -> None:
    closed = spoilt(OKTA, LISTEN, CALLERS)
    assert complaints(with_token("sinks: [{path: a}]", closed)) == [
        f"config.yaml:15: tokens.users-api.sinks[0]: {MEANT}"
    ]
    listed = with_token("callers: [reports]\n    sinks: [{path: a}]", closed)
    assert complaints(listed) == [f"config.yaml:16: tokens.users-api.sinks[0]: {MEANT}"]


@pytest.mark.parametrize(
    "more",
    ["sinks: [{path: a, ignores_callers: true}]", "callers: [anonymous]\n    sinks: [{path: a}]"],
)
def test_a_file_for_everyone_is_permitted_when_it_is_meant(more: str, tmp_path: Path) -> None:
    text = with_token(more, spoilt(OKTA, LISTEN, CALLERS))
    (sink,) = settings(tmp_path, text).tokens["users-api"].sinks
    assert (sink.path, sink.format, sink.mode) == (str(tmp_path / "a"), "raw", "0640")


def test_a_file_that_the_broker_reads_is_not_written_over(complaints: Complaints) -> None:
    sinks = "config.yaml:14: tokens.users-api.sinks"
    assert complaints(with_token("sinks: [{path: key.jwk}, {path: a}, {path: ./a}]")) == [
        f"{sinks}[0].path: would be written over: it is clients.okta.private_keys[0].file too",
        f"{sinks}[2].path: would be written over: it is tokens.users-api.sinks[1] too",
    ]


def over(folder: Path, listen: str, *paths: str) -> list[str]:
    """What is said of sinks at `paths`, without file and line."""
    sinks = ", ".join(f"{{path: {path}}}" for path in paths)
    text = with_token(f"sinks: [{sinks}]", spoilt(OKTA, LISTEN, f"listen: ['{listen}']"))
    try:
        settings(folder, text)
    except ConfigError as error:
        return [complaint.partition("users-api.sinks")[2] for complaint in error.complaints]
    return []


@pytest.mark.parametrize("path", ["real/../real/k.jwk", "link/k.jwk", "real/../link/./k.jwk", "key.jwk"])
def test_a_key_is_not_written_over_by_whatever_path_a_sink_leads_to_it(path: str, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/k.jwk").write_text("{}")
    (tmp_path / "key.jwk").symlink_to("link/k.jwk")  # as in a volume of Kubernetes
    assert over(tmp_path, "localhost:7180", path) == [
        "[0].path: would be written over: it is clients.okta.private_keys[0].file too"
    ]


@pytest.mark.parametrize("path", ["config.yaml", "../{}/config.yaml", "link/config.yaml"])
def test_the_configuration_file_is_not_written_over(path: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(".")
    said = over(tmp_path, "localhost:7180", path.format(tmp_path.name))
    assert said == ["[0].path: would be written over: it is the configuration file too"]


@pytest.mark.parametrize("path", ["api.sock", "link/api.sock"])
def test_a_socket_that_is_listened_on_is_not_written_over(path: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(".")
    said = over(tmp_path, f"unix:{tmp_path}/x/../api.sock", path)
    assert said == ["[0].path: would be written over: it is api.listen[0] too"]


def test_two_sinks_are_not_one_file_by_two_paths(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(".")
    said = over(tmp_path, "localhost:7180", "token", "link/token", "other")
    assert said == ["[1].path: would be written over: it is tokens.users-api.sinks[0] too"]


def test_a_symlink_that_somebody_put_in_a_sinks_place_keeps_no_broker_from_starting(tmp_path: Path) -> None:
    (tmp_path / "token").symlink_to("config.yaml")  # it is replaced, not followed
    assert over(tmp_path, "localhost:7180", "token") == []


def test_an_open_token_endpoint_is_warned_about(tmp_path: Path) -> None:
    (said,) = warnings(settings(tmp_path, spoilt(OKTA, LISTEN, f"{LISTEN}\n  token_endpoint: open")))
    assert said.startswith("api.token_endpoint: open, so")


def test_callers_are_told_apart_by_files_or_users(tmp_path: Path) -> None:
    text = spoilt(
        OKTA,
        LISTEN,
        "listen: ['unix:/run/a.sock']\n  callers: {reports: {secret_file: secret, create: true}, worker: {uid: 0}}",
    )
    callers = settings(tmp_path, with_token("callers: [reports, worker]", text)).api.callers
    assert callers["reports"].secret_file == str(tmp_path / "secret")
    assert callers["worker"].uid == 0
