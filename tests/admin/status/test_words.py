import pytest

from broker.admin.status.words import address, ago, clock, names, number, printable, rfc3339, scopes, span
from each_case import for_each
from status_scenes import SECRET, one_token

NOON = 1_795_521_600.0  # 2026-11-24T12:00:00Z


@for_each(
    ("seconds", "said"),
    [
        (0.9, "0 s"),
        (42.0, "42 s"),
        (119.9, "119 s"),
        (120.0, "2 min"),
        (41 * 60 + 59.0, "41 min"),
        (7199.0, "119 min"),
        (7200.0, "2 h"),
        (3 * 3600 + 12 * 60.0, "3 h 12 min"),
        (2 * 86400.0, "2 d"),
        (4.25 * 86400, "4 d 6 h"),
    ],
)
def test_a_span_has_two_units_at_most(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_what_has_just_happened_is_not_counted_in_seconds() -> None:
    assert ago(NOON, NOON + 0.5) == "just now"
    assert ago(NOON + 3, NOON) == "just now"
    assert ago(NOON, NOON + 5) == "5 s ago"


def test_a_time_has_its_date_unless_that_is_today() -> None:
    assert clock(NOON + 3 * 3600 + 192.9, NOON) == "15:03:12 UTC"
    assert clock(NOON - 86400, NOON) == "23 Nov 12:00:00 UTC"
    assert clock(NOON + 86400 * 365, NOON) == "2027-11-24 12:00:00 UTC"


def test_machines_get_the_whole_date() -> None:
    assert rfc3339(NOON + 0.7) == "2026-11-24T12:00:00Z"


def test_numbers_and_names_read_as_a_person_would_say_them() -> None:
    assert [number(1, "attempt"), number(1284, "attempt")] == ["1 attempt", "1,284 attempts"]
    said = [names(list("abcdefgh")[:count]) for count in (1, 2, 3, 4, 5)]
    assert said == ["a", "a and b", "a, b and c", "a, b, c and d", "a, b, c and 2 more"]


@pytest.mark.parametrize("text", ["a\u202eb", "a\x00b", "a\x1b[31mb", "a\ud800b", "a\u200bb"])
def test_nothing_that_moves_a_cursor_or_reorders_text_is_left(text: str) -> None:
    assert printable(text).isprintable()


def test_the_user_and_the_query_of_a_url_are_not_shown() -> None:
    assert address("https://user:pass@idp.example/realms/a?key=1#f") == "https://idp.example/realms/a"
    assert address("urn:acme:api") == "urn:acme:api"
    assert address("http://[::1") == "http://[::1"


def test_scopes_are_told_apart_by_who_wanted_them() -> None:
    scene = one_token(scopes=("read", "write"))
    assert scopes(scene.seen().tokens[0]) == (["read", "write"], [], [], 0)
    scene.hold("users-api", scope="read offline read")
    assert scopes(scene.seen().tokens[0]) == (["read"], ["write"], ["offline"], 0)


def test_a_server_that_grants_without_end_or_echoes_secrets_is_not_quoted() -> None:
    scene = one_token(scopes=())
    scene.hold("users-api", scope=f"{'x' * 60} {SECRET} before{SECRET} " + " ".join(f"s{i}" for i in range(9000)))
    granted, missing, extra, more = scopes(scene.seen().tokens[0])
    assert (granted, missing) == ([], [])
    assert len(extra) < 20
    assert more > 1000
    assert not [scope for scope in extra if SECRET in scope or "xxx" in scope]
