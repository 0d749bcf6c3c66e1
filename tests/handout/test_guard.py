"""Checks on the request head, before authentication."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from broker.http_server.request_rules import FORWARDING_FIELDS, REFUSALS, Refusal
from broker.workload_api.guard import (
    BROWSER,
    CONTENT_TYPE,
    FORWARDED,
    HOST,
    MAX_REMEMBERED_HOSTS,
    METADATA,
    TARGET,
    Guard,
)
from broker.workload_api.head import Head
from broker.workload_api.routes import ROUTES
from each_case import for_each

PATH = "/v1/tokens/users-api"
HOST_FIELD = ("Host", "localhost:7180")
MARK = ("Metadata", "true")
JSON = ("Content-Type", "application/json")
GOOD = [HOST_FIELD, MARK, JSON]
REFUSED = (TARGET, HOST, *FORWARDED.values(), BROWSER, METADATA, CONTENT_TYPE)

strict = Guard(require_header=True, allowed_hosts=["Broker.Internal"])
lenient = Guard(require_header=False, allowed_hosts=[])


def judge(
    *fields: tuple[str, str], method: str = "GET", target: str = PATH, over_unix: bool = False, guard: Guard = strict
) -> Refusal | None:
    return guard(method, target, Head(CIMultiDict(fields)), over_unix=over_unix)


def test_a_workload_that_asks_directly_may_ask() -> None:
    assert judge(HOST_FIELD, MARK) is None
    assert judge(*GOOD, method="POST") is None


@for_each("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
@for_each("target", ["/v1", "/v1/", "/v1?x", PATH, "/v1/token", "/v1/nothing", "/v1/token?wait=5s"])
def test_every_request_to_the_api_needs_the_header(method: str, target: str) -> None:
    assert judge(HOST_FIELD, JSON, method=method, target=target) is METADATA
    assert judge(HOST_FIELD, JSON, method=method, target=target, over_unix=True) is METADATA
    assert judge(*GOOD, method=method, target=target) is None


@pytest.mark.parametrize("value", ["", "false", "1", "true, true", "yes"])
def test_the_header_says_true(value: str) -> None:
    assert judge(HOST_FIELD, ("Metadata", value)) is METADATA
    assert judge(HOST_FIELD, ("metadata", "True")) is None


def test_the_header_may_be_waived_by_the_configuration_alone() -> None:
    assert judge(HOST_FIELD, guard=lenient) is None
    assert judge(HOST_FIELD, ("Origin", "null"), guard=lenient) is BROWSER


@pytest.mark.parametrize("target", ["/", "/metrics", "/v10/token", "/oauth2/token", "/.well-known/x"])
def test_elsewhere_the_header_is_not_needed(target: str) -> None:
    assert judge(HOST_FIELD, target=target, method="POST") is None
    assert judge(("Host", "evil.example"), target=target) is HOST


def test_a_foreign_host_is_refused_on_tcp_and_means_nothing_on_a_socket() -> None:
    assert judge(("Host", "evil.example"), MARK) is HOST
    assert judge(("Host", "evil.example"), MARK, over_unix=True) is None
    assert judge(MARK, over_unix=True) is None


def test_there_is_one_host() -> None:
    assert judge(MARK) is HOST
    assert judge(HOST_FIELD, MARK, HOST_FIELD) is HOST
    assert judge(HOST_FIELD, MARK, ("HOST", "evil.example")) is HOST


def test_an_allowed_host_is_allowed_in_any_case() -> None:
    assert judge(("Host", "broker.INTERNAL:7180"), MARK) is None


def test_permitted_hosts_are_remembered_up_to_a_bound_and_judged_alike_beyond_it() -> None:
    guard = Guard(require_header=False, allowed_hosts=[])
    for port in [*range(2 * MAX_REMEMBERED_HOSTS)] * 2:
        assert judge(("Host", f"evil.example:{port}"), guard=guard) is HOST
        assert judge(("Host", f"localhost:{port}"), guard=guard) is None
    assert guard._known == {f"localhost:{port}" for port in range(MAX_REMEMBERED_HOSTS)}


@for_each(
    ("name", "field"),
    [
        *(("X-Forwarded-For", "X-Forwarded-*"), ("x-forwarded-host", "X-Forwarded-*")),
        *(("X-FORWARDED-PROTO", "X-Forwarded-*"), ("Forwarded", "Forwarded"), ("Via", "Via")),
        *(("X-Real-IP", "X-Real-IP"), ("TRUE-CLIENT-IP", "True-Client-IP")),
        *(("cf-connecting-ip", "CF-Connecting-IP"), ("x-envoy-external-address", "X-Envoy-External-Address")),
    ],
)
@for_each("over_unix", [False, True])
def test_forwarded_request_is_refused_and_the_field_named(*, name: str, field: str, over_unix: bool) -> None:
    assert judge(*GOOD, (name, "10.0.0.1"), over_unix=over_unix) is FORWARDED[field]
    assert f" {field}," in FORWARDED[field].description


@for_each("name", [name.replace("*", "For") for name in FORWARDING_FIELDS])
@for_each("query", ["", "?x=1"])
def test_what_a_proxy_passed_on_to_the_token_endpoint_is_for_that_to_judge(name: str, query: str) -> None:
    assert judge(HOST_FIELD, (name, "10.0.0.1"), method="POST", target=f"/oauth2/token{query}") is None
    assert judge(("Host", "evil.example"), (name, "x"), method="POST", target=f"/oauth2/token{query}") is HOST
    assert judge(HOST_FIELD, (name, "x"), ("Origin", "null"), method="POST", target="/oauth2/token") is BROWSER
    for target in ("/oauth2/token/", "/oauth2/tokens", "/oauth2", "//oauth2/token", "/v1/../oauth2/token"):
        refusal = judge(*GOOD, (name, "10.0.0.1"), method="POST", target=target + query)
        assert refusal in FORWARDED.values()


@for_each(
    "name",
    [
        *("X-Real-Ips", "Forwarded-For", "X-Forwarded", "Viable", "X-Via", "Sec-Fetch-Mode"),
        "X-Envoy-Max-Retries",  # an application may steer its own sidecar by such fields
    ],
)
def test_only_the_marks_themselves_are_marks(name: str) -> None:
    assert judge(*GOOD, (name, "x")) is None


@for_each("name", ["Origin", "Sec-Fetch-Site", "sec-fetch-site", "ORIGIN"])
@for_each("value", ["", "null", "same-origin", "http://localhost:7180"])
def test_what_a_web_page_caused_is_refused(name: str, value: str) -> None:
    assert judge(*GOOD, (name, value)) is BROWSER


def test_what_node_sends_is_served() -> None:
    node = [("accept", "*/*"), ("accept-language", "*"), ("sec-fetch-mode", "cors"), ("user-agent", "node")]
    assert judge(*GOOD, *node) is None


@pytest.mark.parametrize("target", [f"http://localhost{PATH}", f"https://evil.example{PATH}", "*", "evil:443", ""])
def test_a_target_that_is_no_path_is_refused_whatever_else_is_right(target: str) -> None:
    assert judge(*GOOD, target=target) is TARGET
    assert judge(*GOOD, target=target, over_unix=True) is TARGET


@for_each(
    "types",
    [
        [],
        [("Content-Type", "text/plain")],
        [("Content-Type", "application/x-www-form-urlencoded")],
        [("Content-Type", "multipart/form-data; boundary=application/json")],
        [("Content-Type", "text/plain, application/json")],
        [("Content-Type", "application/json-seq")],
        [JSON, ("Content-Type", "text/plain")],
    ],
)
def test_a_post_that_a_form_could_send_is_refused(types: list[tuple[str, str]]) -> None:
    assert judge(HOST_FIELD, MARK, *types, method="POST") is CONTENT_TYPE


@pytest.mark.parametrize("value", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
def test_a_post_of_json_is_not(value: str) -> None:
    assert judge(HOST_FIELD, MARK, ("content-type", value), method="POST") is None


def test_every_refusal_says_what_to_do_and_has_a_reason_of_the_closed_set() -> None:
    assert {refusal.reason for refusal in REFUSED} < set(REFUSALS)
    assert [refusal.status for refusal in REFUSED] == [403] * (len(REFUSED) - 1) + [415]
    assert '"Metadata: true"' in METADATA.description
    assert "api.allowed_hosts" in HOST.description
    assert "NO_PROXY" in TARGET.description


NAMES = st.sampled_from(
    ["Host", "Metadata", "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Via", "X-Forwarded-For", "X-Real-IP", "Accept"]
    + [name for name in FORWARDING_FIELDS if "*" not in name]
) | st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
VALUES = st.sampled_from(["localhost", "true", "evil.example", "application/json", "null"]) | st.text(max_size=30)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8)
TARGETS = st.sampled_from([PATH, "/v1/token", "/", "http://x/", "*"]) | st.text(max_size=30)


@given(method=st.text(max_size=10), target=TARGETS, fields=FIELDS, over_unix=st.booleans())
def test_any_head_is_judged_in_fixed_words(
    *, method: str, target: str, fields: list[tuple[str, str]], over_unix: bool
) -> None:
    refusal = judge(*fields, method=method, target=target, over_unix=over_unix)
    assert refusal is None or refusal in REFUSED


#: Each breaks one rule, whatever else the head has.
BAD = [("Origin", "null"), ("Sec-Fetch-Site", "none"), HOST_FIELD]
BAD += [(name.replace("*", "for"), "x") for name in FORWARDING_FIELDS]


@given(FIELDS, st.permutations(GOOD), st.data())
def test_nothing_added_to_a_bad_head_makes_it_good(
    fields: list[tuple[str, str]], good: list[tuple[str, str]], data: st.DataObject
) -> None:
    bad = data.draw(st.sampled_from(BAD))
    head = data.draw(st.permutations([*good, *fields, bad]))
    assert judge(*head, method="POST") is not None


#: What mends a refusal; nothing else may.
MENDS = {id(HOST): "host", id(METADATA): "metadata", id(CONTENT_TYPE): "content-type"}


@given(
    head=FIELDS,
    more=FIELDS,
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT"]),
    target=st.sampled_from([*ROUTES, "/v1", "/v1/x?y", "/", "*", "http://localhost/v1/token"]),
    over_unix=st.booleans(),
)
def test_no_further_header_turns_a_refusal_into_an_answer_but_the_one_it_asks_for(
    *,
    head: list[tuple[str, str]],
    more: list[tuple[str, str]],
    method: str,
    target: str,
    over_unix: bool,
) -> None:
    refusal = judge(*head, method=method, target=target, over_unix=over_unix)
    judged = judge(*head, *more, method=method, target=target, over_unix=over_unix)
    if refusal is not None and judged is None:
        assert MENDS[id(refusal)] in {name.lower() for name, _ in more}


@given(fields=FIELDS, target=st.sampled_from(["/v1/tokens/x", "/v1/token", "/v1/tokens/x/rejected"]))
def test_whatever_passes_has_the_mark_and_a_good_host_and_no_trace_of_a_proxy_or_a_page(
    fields: list[tuple[str, str]], target: str
) -> None:
    head = [HOST_FIELD, MARK, *fields]
    if judge(*head, target=target) is None:
        names = [name.lower() for name, _ in head]
        assert (names.count("host"), names.count("metadata")) == (1, 1)
        assert not {"origin", "sec-fetch-site", "via", "forwarded", "x-real-ip", "true-client-ip"} & set(names)
        assert not {"cf-connecting-ip", "x-envoy-external-address"} & set(names)
        assert not [name for name in names if name.startswith("x-forwarded-")]


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20), st.text(max_size=20))
def test_headers_of_no_concern_change_nothing(name: str, value: str) -> None:
    assert judge(*GOOD, (f"app-{name}", value)) is None


@given(st.permutations([*GOOD, ("Accept", "*/*"), ("Authorization", "Bearer x")]), st.randoms())
def test_neither_order_nor_case_of_the_fields_matters(fields: list[tuple[str, str]], chance: Random) -> None:
    mixed = [("".join(chance.choice((c.lower(), c.upper())) for c in name), value) for name, value in fields]
    assert judge(*mixed, method="POST") is None
    head = Head(CIMultiDict(mixed))
    assert head.values("authorization") == ["Bearer x"]
    assert (head.forwarded, head.browser) == (None, False)
