"""What a query may ask of a token."""

from hypothesis import given
from hypothesis import strategies as st

from broker.workload_api.answers import Problem
from broker.workload_api.v1.query import MAX_WAIT, Query, parse_query
from each_case import for_each

KNOWN = "Known: wait, min_ttl."


@for_each(
    ("query", "description"),
    [
        ("extra=x", f"Unknown query parameter: extra. {KNOWN}"),
        ("wait=1s&extra=x", f"Unknown query parameter: extra. {KNOWN}"),
        ("MIN_TTL=1s", f"Unknown query parameter: (not a name). {KNOWN}"),
        ("%3Cscript%3E=1", f"Unknown query parameter: (not a name). {KNOWN}"),
        ("wait=1s&wait=2s", "The query parameter wait is given twice."),
        ("min_ttl=1s&wait=2s&min_ttl=1s", "The query parameter min_ttl is given twice."),
        ("wait=5", "The query parameter wait is a duration like 5s."),
        ("wait", "The query parameter wait is a duration like 5s."),
        ("wait=-1s", "The query parameter wait is a duration like 5s."),
        ("wait=s3cret", "The query parameter wait is a duration like 5s."),
        ("min_ttl=s3cret", "The query parameter min_ttl is a duration like 5s."),
        ("min_ttl=", "The query parameter min_ttl is a duration like 5s."),
        ("min_ttl=999999h", "The query parameter min_ttl is a duration like 5s."),
        ("wait=31s", "The query parameter wait is at most 30s."),
        ("wait=1h", "The query parameter wait is at most 30s."),
    ],
)
def test_a_query_that_is_not_understood_is_refused_in_words_that_echo_no_value(query: str, description: str) -> None:
    problem = parse_query(query)
    assert isinstance(problem, Problem)
    assert (problem.status, problem.error, problem.description) == (400, "invalid_request", description)


@for_each(
    ("query", "parsed"),
    [
        ("", Query()),
        ("wait=5s", Query(wait=5)),
        ("wait=0s", Query(wait=0)),
        ("min_ttl=2m", Query(min_ttl=120)),
        ("min_ttl=1h30m&wait=500ms", Query(wait=0.5, min_ttl=5400)),
        ("wait=1h0.5s&", None),
    ],
)
def test_durations_are_written_as_in_the_configuration(query: str, parsed: Query | None) -> None:
    found = parse_query(query)
    assert found == parsed if parsed else isinstance(found, Problem)


@given(st.text(max_size=60) | st.from_regex(r"(wait|min_ttl)=[0-9]{1,4}[smh](&(wait|min_ttl)=[0-9]{1,4}s)?"))
def test_any_query_is_asked_for_or_refused_without_an_echo(query: str) -> None:
    found = parse_query(query)
    if isinstance(found, Query):
        assert found.wait is None or 0 <= found.wait <= MAX_WAIT
        assert found.min_ttl is None or found.min_ttl >= 0
    else:
        assert found.status == 400
