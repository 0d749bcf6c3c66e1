"""What of other people's text is shown."""

import base64
import json
import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from broker.core.errors import BrokerError, RefusalError, ReplyError
from broker.providers.diagnose import diagnose
from each_case import for_each


def shown(description: str) -> str:
    return diagnose(RefusalError(400, "", description)).words


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


words = st.text(alphabet=string.ascii_letters + " .,:;'\"()=&<>\n\t\u200b", max_size=60)
objects = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "iss", "exp"]), st.text(max_size=20) | st.integers())
jwts = st.builds(
    lambda header, claims, signature: ".".join(
        [base64url(json.dumps(header).encode()), base64url(json.dumps(claims).encode()), base64url(signature)]
    ),
    objects,
    objects,
    st.sampled_from([32, 64, 256]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
)


@given(words, jwts, words)
def test_a_jwt_is_never_shown(before: str, jwt: str, after: str) -> None:
    text = shown(before + jwt + after)
    assert jwt not in text
    assert jwt.rpartition(".")[2][:20] not in text


@given(words, st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=40), words)
@example("", "0123456789abcdef" * 4, "")
def test_a_long_opaque_run_is_never_shown(before: str, secret: str, after: str) -> None:
    assume(any(c.isdigit() or c.isupper() for c in secret))
    assert secret not in shown(before + " " + secret + after)


@given(st.text())
@example("a\u202eb\u2066c\u200bd\x1b[31m\r\nlevel=info\x00\ud800\ue000")
def test_what_is_shown_is_one_printable_line_of_bounded_length(description: str) -> None:
    text = shown(description)
    assert text == "" or text.isprintable()
    assert len(text) <= 256


@for_each(
    ("said", "is_shown"),
    [
        ("two\r\nlines\tand a tab", "two lines and a tab"),
        ("no\u00a0break", "no break"),
        ("re\u202eversed \u2066isolated\u2069", "reversed isolated"),
        ("in\u200bvisible", "invisible"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln is bad", "token [removed] is bad"),
        ("eyJhbGciOiJSUzI1NiJ9", "[removed]"),
        ("(abcdefghijklmnop0.abcdefghijklmnop1.abcdefghijklmnop2)", "([removed])"),
        ("key Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6+w== end", "key [removed] end"),
        ("https://user:hunter2@proxy.example/x", "https://proxy.example/x"),
        ("see HTTPS://x.example/help?code=secret#part now", "see HTTPS://x.example/help now"),
    ],
)
def test_what_is_dangerous_is_taken_out(said: str, is_shown: str) -> None:
    assert shown(said) == is_shown


@for_each(
    "said",
    [
        "https://login.microsoftonline.com/2d7cd011-72f9-4ab1-86f1-db47988bf86f/v2.0",
        "https://sso.example.com/realms/Production1/protocol/openid-connect/token",
        "https://sso.example.com/tenants/Production1/servers/europe/protocol/oauth2/token",
        "token_endpoint_auth_signing_alg_values_supported is missing",
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client 0oa1b2c3d4E5f6G7h8i9 on example.okta.com",
        "Configured grant types: [authorization_code, refresh_token].",
        "kid 2026-11-23-signing-key",
    ],
)
def test_names_and_addresses_stay_readable(said: str) -> None:
    assert shown(said) == said


def test_a_long_text_ends_in_an_ellipsis() -> None:
    text = shown("word " * 100)
    assert len(text) == 256
    assert text.endswith("…")


FLOOD = "A1" * 500_000 + " tail"


@pytest.mark.parametrize(
    "error", [RefusalError(400, "", FLOOD), ReplyError("not_json", FLOOD)], ids=["refusal", "reply"]
)
def test_a_flood_is_cut_before_it_is_read(error: BrokerError) -> None:
    assert diagnose(error).words == "[removed]"


def test_code_and_description_are_shown_together() -> None:
    assert diagnose(RefusalError(400, "weird", "because")).words == "weird: because"
    assert diagnose(RefusalError(400, "weird", "")).words == "weird"
