"""What others than Okta answer, against what the broker makes of it."""

from broker.core.errors import RefusalError
from broker.providers.diagnose import diagnose
from diagnosis.refusals import SAID, Said
from each_case import for_each

#: What only the preset tells apart: everybody's code, with nothing beside it that is somebody's own.
ONLY_BY_PRESET = {("consent_required", None), ("invalid_client", None), ("invalid_grant", "invalid assertion")}


@for_each("said", SAID)
def test_a_refusal_is_taken_for_what_it_is(said: Said) -> None:
    refusal = RefusalError(said.status, said.error, said.description or "")
    diagnosis = diagnose(refusal, provider=said.provider)
    assert (diagnosis.reason, diagnosis.act) == (said.reason, said.act)


@for_each("said", SAID)
def test_a_known_sentence_is_known_behind_the_generic_preset_too(said: Said) -> None:
    if (said.error, said.description) not in ONLY_BY_PRESET:
        refusal = RefusalError(said.status, said.error, said.description or "")
        assert diagnose(refusal).reason == said.reason


@for_each("said", SAID)
def test_the_servers_own_words_are_kept(said: Said) -> None:
    words = diagnose(RefusalError(said.status, said.error, said.description or "")).words
    assert words.startswith(said.error)
    assert (said.description or "")[:60] in words


def test_the_time_that_microsoft_names_is_among_the_words() -> None:
    late = next(said for said in SAID if "AADSTS700024" in (said.description or ""))
    assert "Current time: 2026-11-23T06:33:19" in diagnose(RefusalError(401, late.error, late.description or "")).words
