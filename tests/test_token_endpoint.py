"""The judgement of what a token endpoint answers."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.errors import RefusalError, ReplyError
from broker.core.tokens import Token
from broker.http_client.transport import MAX_WAIT, Reply, retry_after
from broker.oauth.reply import parse_reply
from each_case import for_each

SENT = 1_795_000_000.0
GOOD: dict[str, Any] = {"access_token": "abc.def", "token_type": "Bearer", "expires_in": 3600, "scope": "a b"}
DATE = "Mon, 23 Nov 2026 12:00:00 GMT"
NOON = 1_795_435_200


def a_reply(body: object = None, *, status: int = 200, raw: bytes | None = None, **headers: str) -> Reply:
    return Reply(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=json.dumps(GOOD if body is None else body).encode() if raw is None else raw,
        sent_at=SENT,
        received_at=SENT + 2,
        authentic=True,
    )


def parse(reply: Reply) -> Token:
    return parse_reply(reply, scope="a b c", assume_lifetime=123.0)


def test_a_good_answer_is_a_token_that_ages_from_before_the_request() -> None:
    token = parse(a_reply())
    assert token.access_token == "abc.def"
    assert token.token_type == "Bearer"
    assert token.scope == "a b"
    assert token.expires_at == SENT + 3600


@pytest.mark.parametrize("written", ["Bearer", "bearer", "BEARER"])
def test_the_token_type_is_compared_without_case(written: str) -> None:
    assert parse(a_reply({**GOOD, "token_type": written})).token_type == "Bearer"


@for_each(
    ("written", "lifetime"),
    [
        *((60, 60), (60.5, 60.5), ("60", 60), (" 60 ", 60), ("59.5", 59.5), (0.01, 1)),
        *((number, 3.1536e8) for number in (1e12, 9223372036854775, "9223372036854775", 1e300, 10**400, "9" * 400)),
    ],
)
def test_a_lifetime_may_be_a_number_or_a_numeric_string(written: object, lifetime: float) -> None:
    assert parse(a_reply({**GOOD, "expires_in": written})).lifetime == lifetime


@pytest.mark.parametrize("body", [{**GOOD, "expires_in": 0}, {**GOOD, "expires_in": None}, {**GOOD, "expires_in": "0"}])
def test_an_unknown_lifetime_is_assumed_and_never_endless(body: object) -> None:
    assert parse(a_reply(body)).lifetime == 123.0


@for_each("written", [True, "soon", "", [], {}, "1e3", "0x10", "\u0666\u0660"])
def test_nonsense_as_a_lifetime_is_refused(written: object) -> None:
    with pytest.raises(ReplyError) as error:
        parse(a_reply({**GOOD, "expires_in": written}))
    assert error.value.fault == "expires_in"


@pytest.mark.parametrize("written", [-1, "-1", -0.5, -(10**400)])
def test_a_negative_lifetime_is_called_expired(written: object) -> None:
    with pytest.raises(ReplyError, match="expires_in is negative") as error:
        parse(a_reply({**GOOD, "expires_in": written}))
    assert error.value.fault == "expired"


@pytest.mark.parametrize(
    ("written", "remark"),
    [
        *((seconds, "") for seconds in (3600, 365 * 86400)),
        *((seconds, "longer than a year; ") for seconds in (366 * 86400, 9223372036854775, "9" * 400)),
        *((epoch, "looks like a point in time") for epoch in (NOON, f"{NOON}.5", NOON * 1000)),
    ],
)
def test_a_lifetime_beyond_a_year_is_remarked_on(written: object, remark: str) -> None:
    remarks = parse(a_reply({**GOOD, "expires_in": written})).remarks
    assert [remark in text for text in remarks] == ([True] if remark else [])


@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_json_that_python_takes_for_a_number_is_no_lifetime(raw: bytes) -> None:
    body = b'{"access_token":"t","token_type":"Bearer","expires_in":' + raw + b"}"
    with pytest.raises(ReplyError):
        parse(a_reply(raw=body))


def test_an_answer_without_a_scope_granted_what_was_asked() -> None:
    body = {name: value for name, value in GOOD.items() if name != "scope"}
    assert parse(a_reply(body)).scope == "a b c"


@pytest.mark.parametrize(
    ("written", "scope"),
    [("a", "a"), ("", ""), (" a  b ", "a b"), (["a", "b"], "a b"), ([], ""), ([""], ""), (None, "a b c")],
)
def test_a_granted_scope_may_be_a_text_or_a_list(written: object, scope: str) -> None:
    token = parse(a_reply({**GOOD, "scope": written}))
    assert (token.scope, token.remarks) == (scope, ())


@pytest.mark.parametrize(
    "written", [7, True, {}, ["a", 7], 'a"b', "a\\b", "a\tb", "a\nb", "\xe4", "x" * 4097, ["x" * 4096, "y"]]
)
def test_a_scope_outside_the_grammar_counts_as_absent(written: object) -> None:
    token = parse(a_reply({**GOOD, "scope": written}))
    assert (token.access_token, token.scope) == ("abc.def", "a b c")
    assert [remark.partition(" (")[0] for remark in token.remarks] == ["the answer's scope is not a list of scopes"]


def test_refresh_in_is_taken_from_the_answer() -> None:
    assert parse(a_reply({**GOOD, "refresh_in": "1800"})).refresh_in == 1800


def test_nonsense_as_refresh_in_does_not_cost_the_token() -> None:
    assert parse(a_reply({**GOOD, "refresh_in": "later"})).refresh_in is None


@for_each("text", ["", None, 7, True, ["x"], "a\nb", "a\x00b", "tökén", "a\rSet-Cookie: x"])
def test_an_access_token_is_a_string_that_cannot_break_a_header(text: object) -> None:
    with pytest.raises(ReplyError) as error:
        parse(a_reply({**GOOD, "access_token": text}))
    assert error.value.fault == ("token_characters" if text and isinstance(text, str) else "access_token")


@pytest.mark.parametrize(
    ("text", "what"),
    [("a b", "a space"), (" ab", "a space"), ("a\nb", "outside printable ASCII"), ("t\xf6k", "outside")],
)
def test_an_access_token_that_no_header_takes_is_refused(text: str, what: str) -> None:
    with pytest.raises(ReplyError, match=what) as error:
        parse(a_reply({**GOOD, "access_token": text}))
    assert error.value.fault == "token_characters"


def test_a_missing_token_type_is_refused() -> None:
    with pytest.raises(ReplyError) as error:
        parse(a_reply({"access_token": "t", "expires_in": 60}))
    assert error.value.fault == "token_type"


def test_a_dpop_token_is_never_taken_for_a_bearer_token() -> None:
    with pytest.raises(ReplyError) as error:
        parse(a_reply({**GOOD, "token_type": "DPoP"}))
    assert error.value.fault == "dpop"


@for_each("raw", [b"", b"<html>", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_a_success_that_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ReplyError) as error:
        parse(a_reply(raw=raw))
    assert error.value.fault == "not_json"


OF_JOERG = '{"access_token":"t","token_type":"Bearer","name":"J\xf6rg"}'


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_answer_in_another_encoding_is_a_token(encoding: str) -> None:
    assert parse(a_reply(raw=OF_JOERG.encode(encoding))).access_token == "t"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16"])
def test_an_error_in_another_encoding_keeps_its_code(encoding: str) -> None:
    raw = '{"error":"invalid_client","error_description":"J\xf6rg"}'.encode(encoding)
    with pytest.raises(RefusalError) as error:
        parse(a_reply(raw=raw, status=401))
    assert (error.value.error, error.value.description[0]) == ("invalid_client", "J")


def test_of_a_duplicate_member_the_last_counts() -> None:
    raw = b'{"access_token":"one","token_type":"Bearer","access_token":"two"}'
    assert parse(a_reply(raw=raw)).access_token == "two"


def test_an_extra_field_nested_too_deep_is_left_out() -> None:
    too_deep, deep = "[" * 33 + "]" * 33, "[" * 32 + "]" * 32
    raw = f'{{"access_token":"t","token_type":"Bearer","a":{too_deep},"b":{deep}}}'
    token = parse_reply(a_reply(raw=raw.encode()), scope="", assume_lifetime=60.0, extra_fields=("a", "b"))
    assert list(token.extra) == ["b"]


def test_a_truncated_answer_is_refused() -> None:
    reply = Reply(status=200, headers={}, body=b"{}", sent_at=SENT, received_at=SENT, authentic=True, truncated=True)
    with pytest.raises(ReplyError) as error:
        parse(reply)
    assert error.value.fault == "too_big"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_said_to_be_one(status: int) -> None:
    with pytest.raises(ReplyError) as error:
        parse(a_reply(status=status))
    assert error.value.fault == "redirect"


def test_an_oauth_error_keeps_the_servers_words() -> None:
    with pytest.raises(RefusalError) as error:
        parse(a_reply({"error": "invalid_scope", "error_description": "No scopes were requested."}, status=400))
    refusal = error.value
    assert (refusal.status, refusal.error, refusal.description) == (400, "invalid_scope", "No scopes were requested.")


def test_oktas_own_error_form_is_understood() -> None:
    body = {"errorCode": "E0000047", "errorSummary": "API call exceeded rate limit due to too many requests."}
    with pytest.raises(RefusalError) as error:
        parse(a_reply(body, status=429, Date=DATE, X_Rate_Limit_Reset=str(NOON + 42)))
    assert error.value.error == "E0000047"
    assert error.value.retry_after == 42


def test_an_error_with_status_200_is_an_error() -> None:
    with pytest.raises(RefusalError):
        parse(a_reply({"error": "server_error"}))


def test_the_title_of_a_gateways_page_is_kept_as_a_hint() -> None:
    with pytest.raises(RefusalError) as error:
        parse(a_reply(status=502, raw=b"<html><head><title>502 Bad Gateway</title></head></html>"))
    assert error.value.description == "502 Bad Gateway"


@pytest.mark.parametrize("raw", [b"", b"null", b'{"error": 7}', b'{"error_description": []}', b"<title>"])
def test_a_refusal_without_words_is_a_refusal(raw: bytes) -> None:
    with pytest.raises(RefusalError) as error:
        parse(a_reply(status=403, raw=raw))
    assert error.value.error == ""


@for_each(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "Mon, 23 Nov 2026 12:01:00 GMT", "Date": DATE}, 60),
        ({"Retry-After": "Mon, 23 Nov 2026 11:00:00 GMT", "Date": DATE}, 0),
        ({"Retry-After": "Mon, 23 Nov 2026 12:01:00 GMT"}, None),
        ({"Retry-After": "soon", "Date": DATE}, None),
        ({"X-Rate-Limit-Reset": str(NOON + 17), "Date": DATE}, 17),
        ({"X-RateLimit-Reset": str(NOON + 18), "Date": DATE}, 18),
        ({"X-Rate-Limit-Reset": str(NOON + 17)}, None),
        ({"X-Rate-Limit-Reset": "-1", "Date": DATE}, None),
        *(({name: "9" * 4400, "Date": DATE}, MAX_WAIT) for name in ("Retry-After", "X-Rate-Limit-Reset")),
        ({"Retry-After": "Mon, 23 Nov 2099 12:01:00 GMT", "Date": DATE}, MAX_WAIT),
        ({"Retry-After": "\u0663\u0660", "Date": DATE}, None),
        ({"Retry-After": "5", "X-Rate-Limit-Reset": str(NOON + 17), "Date": DATE}, 5),
        ({}, None),
    ],
)
def test_how_long_to_stay_away_is_read_from_either_header(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(limited(headers)) == seconds


def limited(headers: dict[str, str], *, status: int = 429) -> Reply:
    return Reply(status=status, headers=headers, body=b"", sent_at=SENT, received_at=SENT, authentic=True)


def test_a_reset_means_something_at_429_only() -> None:
    assert retry_after(limited({"X-Rate-Limit-Reset": str(NOON + 17), "Date": DATE}, status=503)) is None


def test_retry_after_is_read_whatever_the_status() -> None:
    assert retry_after(limited({"Retry-After": "17"}, status=400)) == 17


def test_a_date_without_a_zone_is_utc_wherever_the_broker_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        headers = {"Retry-After": "Mon Nov 23 12:01:00 2026", "Date": "Mon, 23 Nov 2026 12:00:00 -0000"}
        assert retry_after(limited(headers)) == 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_reset_that_stands_on_every_answer_is_no_wait_after_a_refusal() -> None:
    with pytest.raises(RefusalError) as error:
        parse(a_reply({"error": "invalid_client"}, status=401, Date=DATE, X_Rate_Limit_Reset=str(NOON + 42)))
    assert error.value.retry_after is None


@pytest.mark.parametrize("member", ["scope", "instance_url"])
def test_text_that_is_no_unicode_is_refused_as_it_could_not_be_handed_out(member: str) -> None:
    body = b'{"access_token":"t","token_type":"Bearer","%s":"\\ud800"}' % member.encode()
    reply = Reply(status=200, headers={}, body=body, sent_at=SENT, received_at=SENT, authentic=True)
    with pytest.raises(ReplyError) as error:
        parse(reply)
    assert error.value.fault == "not_json"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["access_token", "token_type", "expires_in", "scope", "refresh_in", "error", "error_description", "errorCode"]


@given(st.integers(100, 599), st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_whatever_a_server_answers_is_a_token_or_an_error_of_ours(status: int, body: dict[str, Any]) -> None:
    try:
        token = parse(a_reply(body, status=status))
    except (RefusalError, ReplyError):
        return
    assert token.access_token
    assert token.lifetime >= 1.0


@given(
    st.integers(100, 599), st.binary(max_size=200), st.dictionaries(st.sampled_from(["Retry-After", "Date"]), st.text())
)
def test_whatever_bytes_come_back_raise_nothing_else(status: int, raw: bytes, headers: dict[str, str]) -> None:
    reply = Reply(status=status, headers=headers, body=raw, sent_at=SENT, received_at=SENT, authentic=True)
    with pytest.raises((RefusalError, ReplyError)):
        parse(reply)
