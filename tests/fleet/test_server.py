from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fleet.server import GRANTING, Server, Spell
from broker.http_client.transport import Reply, retry_after


def outcomes(server: Server, *times: float) -> list[str]:
    return [server.ask(at).outcome for at in times]


def test_the_limit_is_granted_in_each_window_and_no_more() -> None:
    server = Server(per_minute=2)
    assert outcomes(server, 1, 2, 3, 59.9) == ["granted", "granted", "limited", "limited"]
    assert outcomes(server, 60, 61, 62) == ["granted", "granted", "limited"]


def test_windows_begin_where_the_server_opened() -> None:
    server = Server(per_minute=1, opens=20.0)
    assert outcomes(server, 0, 19, 20, 79, 80) == ["granted", "limited", "granted", "limited", "granted"]


def test_a_spell_changes_the_limit_for_its_time() -> None:
    server = Server(per_minute=3, spells=[Spell(begins=60, ends=120, per_minute=1)])
    assert outcomes(server, 60, 61, 120, 121) == ["granted", "limited", "granted", "granted"]


def test_a_limit_of_nothing_is_an_outage() -> None:
    server = Server(per_minute=3, spells=[Spell(begins=60, ends=120, per_minute=0)])
    assert outcomes(server, 60, 119.9, 120) == ["failed", "failed", "granted"]


def test_more_at_once_than_allowed_are_refused_until_one_is_done() -> None:
    server = Server(per_minute=100, concurrent=2)
    assert outcomes(server, 0, 0.1, 0.2, GRANTING) == ["granted", "granted", "limited", "granted"]


def reply(at: float, reset: float) -> Reply:
    """As Okta writes it: whole seconds."""
    headers = {"Date": formatdate(int(at), usegmt=True), "X-Rate-Limit-Reset": str(int(reset))}
    return Reply(status=429, headers=headers, body=b"", truncated=False, sent_at=at, received_at=at, authentic=True)


@given(at=st.floats(0, 1e5), opens=st.floats(0, 59))
def test_a_refusal_asks_for_what_the_broker_reads_from_oktas_headers(at: float, opens: float) -> None:
    server = Server(per_minute=1, opens=opens)
    server.ask(at)
    answer = server.ask(at)
    reset = opens + ((at - opens) // 60 + 1) * 60
    assert answer.wait == retry_after(reply(at, reset))
