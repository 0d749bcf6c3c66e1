"""JSON unless plain text is preferred."""

import json

from hypothesis import given
from hypothesis import strategies as st

from broker.workload_api.answers import Problem, failure, preferred
from each_case import for_each


@for_each(
    ("accept", "form"),
    [
        (None, "json"),
        ("", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("application/*", "json"),
        ("APPLICATION/JSON", "json"),
        ("text/plain", "text"),
        ("text/*", "text"),
        ("Text/Plain; charset=utf-8", "text"),
        ("text/plain, */*", "json"),
        ("text/plain, */*;q=0.1", "text"),
        ("text/plain, application/json", "json"),
        ("text/plain;q=0.5, application/json;q=0.4", "text"),
        ("text/plain;q=0.4, application/json;q=0.5", "json"),
        ("text/plain ; Q=0.9 , application/json ; q=0.5", "text"),
        ("text/html, application/json;q=0.9, */*;q=0.8", "json"),
        ("text/*;q=0.2, text/plain;q=0.9, application/json;q=0.5", "text"),
        ("text/*, text/plain;q=0, */*;q=0.5", "json"),
        ("text/plain;q=1.000, application/json;q=0.999", "text"),
        ("text/plain;q=2, application/json;q=0.1", "json"),
        ("text/plain;q=nan, */*;q=0.1", "json"),
        ("application/json;q=0", None),
        ("text/html", None),
        ("*/*;q=0", None),
        ("text/plain;q=0", None),
        (",;,q=1", None),
    ],
)
def test_the_preferred_form(accept: str | None, form: str | None) -> None:
    assert preferred(accept) == form


@given(st.text(max_size=60) | st.lists(st.sampled_from(["text/plain", "*/*", ";q=", "0.5", ",", " "])).map("".join))
def test_any_accept_has_an_answer(accept: str) -> None:
    assert preferred(accept) in ("json", "text", None)


PROBLEM = Problem(503, "temporarily_unavailable", "Not\nnow.", reason="dns", hint="Wait.", headers={"Retry-After": "3"})


def test_an_error_is_json_with_reason_and_hint() -> None:
    answer = failure("json", PROBLEM)
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "3"
    assert answer.content_type == "application/json"
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {
        "error": "temporarily_unavailable",
        "error_description": "Not\nnow.",
        "reason": "dns",
        "hint": "Wait.",
    }


def test_an_error_without_more_to_say_has_two_members() -> None:
    answer = failure(None, Problem(404, "not_found", "Nothing here."))
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {"error": "not_found", "error_description": "Nothing here."}


def test_an_error_in_plain_text_is_one_line() -> None:
    assert failure("text", PROBLEM).body == b"temporarily_unavailable: Not now. Wait.\n"
