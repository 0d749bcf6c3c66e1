"""The body that says which token was not accepted."""

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from broker.workload_api.answers import Problem
from broker.workload_api.v1.report import UNREADABLE, Report, fingerprint, parse_report
from each_case import for_each

TOKEN = "eyJ.s3cret-access-token.sig"
PRINT = hashlib.sha256(TOKEN.encode()).hexdigest()[:12]


def test_a_token_is_meant_by_itself_or_by_its_fingerprint() -> None:
    for body in ({"access_token": TOKEN}, {"fingerprint": PRINT}):
        report = parse_report(json.dumps(body).encode())
        assert isinstance(report, Report)
        assert report.matches(TOKEN)
        assert not report.matches(TOKEN + "x")
        assert TOKEN not in repr(report)
    assert fingerprint(TOKEN) == PRINT


@for_each(
    "body",
    [
        *(b"", b"{}", b"[]", b"null", b'"x"', b"{", b"x", b"\xff\xfe", b'{"access_token":"a"} '[:-3]),
        *(b'{"access_token":""}', b'{"access_token":1}', b'{"access_token":null}', b'{"access_token":["a"]}'),
        *(b'{"access_token":"a","fingerprint":"0123456789ab"}', b'{"access_token":"a","x":1}', b'{"x":"a"}'),
        *(b'{"access_token":"a","access_token":"b"}', b'{"access_token":"a","access_token":"a"}'),
        *(b'[["access_token","a"]]', b'{"access_token":"a"}{}', b"access_token=a", b'{"Access_Token":"a"}'),
        *(b'{"fingerprint":"0123456789AB"}', b'{"fingerprint":"0123456789a"}', b'{"fingerprint":"0123456789abc"}'),
        *(b'{"fingerprint":"0123456789ab\\n"}', '{"fingerprint":"٠١٢٣٤٥٦٧٨٩٠١"}'.encode()),
        *('{"access_token":"a"}'.encode("utf-16"), b'\xef\xbb\xbf{"access_token":"a"}', b"[" * 60_000),
        *(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b'{"access_token":"a","y":{"access_token":"a"}}'),
    ],
)
def test_anything_else_is_refused_in_fixed_words(body: bytes) -> None:
    assert parse_report(body) is UNREADABLE
    assert UNREADABLE.status == 400


def test_half_a_surrogate_pair_means_no_token() -> None:
    report = parse_report(b'{"access_token":"\\ud800"}')
    assert isinstance(report, Report)
    assert not report.matches(TOKEN)


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: json.dumps({"access_token": text}).encode()))
def test_any_body_is_a_report_or_the_problem(body: bytes) -> None:
    report = parse_report(body)
    assert isinstance(report, Problem) or not report.matches(TOKEN)


@given(st.text(min_size=1, max_size=200))
def test_every_token_is_meant_by_itself(text: str) -> None:
    report = parse_report(json.dumps({"access_token": text}, ensure_ascii=True).encode())
    assert isinstance(report, Report)
    assert report.matches(text)
