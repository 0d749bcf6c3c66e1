import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat
from hypothesis import example, given
from hypothesis import strategies as st

from broker.core.events import Event, KeyLoaded, KeyRefused
from broker.core.settings import KeySettings
from broker.keys.parse import parse, parse_public
from broker.keys.private import Holder, UnusableError
from broker.keys.watch import KeyFiles
from each_case import for_each
from key_forms import an_assertion, native, pem, private_members, public_members, segments, verifies

RSA = native("RSA")
EMAIL = "reader@project.iam.gserviceaccount.com"
#: As the consoles of both hand them out, with what they hold besides.
GOOGLE = {
    "type": "service_account",
    "project_id": "project",
    "private_key_id": "0123456789abcdef",
    "private_key": pem(RSA).decode(),
    "client_email": EMAIL,
    "client_id": "112233445566778899000",
    "auth_uri": "https://accounts.google.com/o/oauth2/auth",
    "token_uri": "https://oauth2.googleapis.com/token",
    "universe_domain": "googleapis.com",
}
ZITADEL_USER = {
    "type": "serviceaccount",
    "keyId": "81693565968772648",
    "key": pem(RSA, PrivateFormat.TraditionalOpenSSL).decode(),
    "expirationDate": "2030-01-01T00:00:00Z",
    "userId": "78366401571647008",
}
ZITADEL_APP = {
    "type": "application",
    "keyId": "81693565968962154",
    "key": pem(RSA, PrivateFormat.TraditionalOpenSSL).decode(),
    "appId": "78366403256846242",
    "clientId": "78366402571485858@project",
}
FILES = [(GOOGLE, "client_email"), (ZITADEL_USER, "userId"), (ZITADEL_APP, "clientId")]


def refusal(members: dict[str, Any]) -> str:
    with pytest.raises(UnusableError) as caught:
        parse(json.dumps(members).encode())
    return str(caught.value)


@pytest.mark.parametrize(("members", "holder"), FILES)
async def test_a_key_file_gives_key_kid_and_whose_it_is(members: dict[str, str], holder: str) -> None:
    key = parse(json.dumps(members, indent=2).encode())
    assert key.native.private_numbers() == RSA.private_numbers()  # type: ignore[union-attr]  # both are RSA
    assert key.kid == members.get("private_key_id", members.get("keyId"))
    assert key.holder == Holder(member=holder, name=members[holder])


def test_it_may_be_in_base64() -> None:
    assert parse(base64.b64encode(json.dumps(GOOGLE).encode())).kid == "0123456789abcdef"


def test_a_jwk_with_a_member_type_is_a_jwk() -> None:
    jwk = {**public_members(RSA), **private_members(RSA), "type": "service_account"}
    assert parse(json.dumps(jwk).encode()).holder is None


@for_each(("members", "name"), [(GOOGLE, "private_key"), (ZITADEL_USER, "key"), (ZITADEL_APP, "key")])
@for_each("value", [None, "", 7, "AAAA"])
def test_a_file_without_its_pem_is_not_whole(members: dict[str, Any], name: str, value: object) -> None:
    said = refusal(members | {name: value})
    assert said.endswith(f'its member "{name}" is no PEM; download it again')
    assert said.startswith(f"is no whole key file of {'Google' if members is GOOGLE else 'Zitadel'}")


@for_each(("members", "name"), FILES)
@for_each("value", [None, "", 7, "a\nb", "x" * 256])
def test_a_file_that_does_not_say_whose_it_is_is_not_whole(members: dict[str, Any], name: str, value: object) -> None:
    assert f'its member "{name}" does not say whose it is' in refusal(members | {name: value})


def test_a_damaged_pem_is_said_and_not_shown() -> None:
    first, *lines = pem(RSA).decode().splitlines()
    said = refusal(GOOGLE | {"private_key": "\n".join([first, *lines[3:]])})
    assert said.startswith("holds a private key that cannot be read")


def test_a_key_id_has_to_be_one() -> None:
    assert 'a member "private_key_id" that is no string' in refusal(GOOGLE | {"private_key_id": 7})
    assert parse(json.dumps(GOOGLE | {"private_key_id": ""}).encode()).kid is None


@pytest.mark.parametrize("kind", ["authorized_user", "external_account"])
def test_google_credentials_of_another_type_say_what_to_make(kind: str) -> None:
    assert refusal({"type": kind, "refresh_token": "s3cret", "client_id": "x"}) == (
        f'holds Google credentials of the type "{kind}", which have no private key; make a key of a service account'
    )


def ring(file: Path, client_id: str | None, **entry: str) -> tuple[KeyFiles, list[Event]]:
    told: list[Event] = []
    keys = KeyFiles(
        "google",
        [KeySettings(file=str(file), **entry)],
        provider="generic",
        algorithms=(),
        observe=told.append,
        client_id=client_id,
    )
    return keys, told


@pytest.mark.parametrize("client_id", [EMAIL, None])
async def test_the_key_of_the_configured_client_signs_under_the_file_s_kid(
    tmp_path: Path, client_id: str | None
) -> None:
    (tmp_path / "key.json").write_text(json.dumps(GOOGLE))
    keys, told = ring(tmp_path / "key.json", client_id)
    await keys.load()
    assert [type(event) for event in told] == [KeyLoaded]
    made = await an_assertion(keys.signers()[0])
    assert segments(made)[0] == {"alg": "RS256", "kid": "0123456789abcdef", "typ": "JWT"}
    assert verifies(public_members(RSA), made)


@pytest.mark.parametrize(("members", "holder"), FILES)
async def test_the_key_of_another_client_is_refused_with_both_names(
    tmp_path: Path, members: dict[str, str], holder: str
) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(members))
    keys, told = ring(file, "somebody-else")
    await keys.load()
    (refused,) = told
    assert isinstance(refused, KeyRefused)
    assert refused.detail == (
        f"{file} is the key of {members[holder]!r} (its member {holder}), but client_id is 'somebody-else';"
        " correct client_id, or name the right file"
    )


async def test_a_configured_kid_must_be_the_file_s(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(json.dumps(GOOGLE))
    keys, told = ring(tmp_path / "key.json", EMAIL, kid="other")
    await keys.load()
    assert "says its kid is '0123456789abcdef', which is not the configured kid" in repr(told)


async def test_other_key_files_belong_to_any_client(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(RSA))
    keys, told = ring(tmp_path / "key.pem", "anybody")
    await keys.load()
    assert [type(event) for event in told] == [KeyLoaded]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
TYPES = st.sampled_from(["service_account", "serviceaccount", "application", "authorized_user"])
MEMBERS = ["private_key", "private_key_id", "client_email", "key", "keyId", "userId", "clientId", "keys", "kty"]


@given(
    kind=TYPES | ANY_JSON,
    members=st.dictionaries(
        st.sampled_from(MEMBERS),
        st.sampled_from(["RSA", "EC", "OKP", pem(RSA).decode(), pem(RSA).decode().replace("MII", "\ud800")]) | ANY_JSON,
        max_size=4,
    ),
)
@example(kind=[], members={})
@example(kind={}, members={})
@example(kind="service_account", members=GOOGLE | {"private_key": pem(RSA).decode().replace("MII", "\ud800")})
def test_whatever_json_values_a_file_has_as_members_it_is_a_key_or_a_sentence(
    kind: object, members: dict[str, object]
) -> None:
    content = json.dumps({**members, "type": kind}).encode()
    for read in (parse, parse_public):
        with suppress(UnusableError):
            read(content)
