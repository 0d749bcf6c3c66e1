"""What is found out without the network: keys, certificates, assertions, other files."""

import base64
import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey
from msgspec.structs import replace

from broker.cli.check.files import Files
from broker.cli.check.recording_transport import shown
from broker.cli.check.times import is_epoch, moment
from broker.core.settings import Assertion, Http, KeySettings
from broker.keys.watch import KeyFiles
from certificates import certificate_of, pem_of, self_signed
from check.scene import Scene, a_key, write
from each_case import for_each

DAY = 86400.0


def pem(native: rsa.RSAPrivateKey) -> bytes:
    return native.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


async def test_a_key_file_that_is_not_there_is_named_with_what_to_do(scene: Scene) -> None:
    (scene.folder / "key.jwk").unlink()
    found = await scene.check(offline=True)
    assert not found.ok
    assert f"FAIL key {scene.folder}/key.jwk cannot be used (key_file)" in found.read
    assert f"cause {scene.folder}/key.jwk does not exist; mount it there or correct the name" in found.read
    assert "fix Restore or replace the file named in clients.okta.private_keys" in found.read


async def test_an_rsa_key_whose_numbers_do_not_belong_together_is_found_though_it_signs(scene: Scene) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k", "use": "sig", "alg": "RS256"})
    other = RSAKey.generate_key(2048).as_dict(private=True)
    # OpenSSL works around a wrong exponent of the second prime, so that the key signs well.
    entry = write(scene.folder / "rsa.jwk", key, dq=str(other["dq"]))
    scene.register(key)
    found = await scene.check(private_keys=(entry,))
    assert found.step("key").status == "failed"
    assert "holds an RSA key whose numbers do not belong together; make or export it again" in found.read


async def test_an_rsa_key_that_is_whole_passes_the_full_check(scene: Scene) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k", "use": "sig", "alg": "RS256"})
    scene.register(key)
    assert (await scene.check(private_keys=(write(scene.folder / "rsa.jwk", key),))).ok


async def test_a_key_that_is_swapped_while_it_is_looked_at_is_no_crash(scene: Scene, tmp_path: Path) -> None:
    entry = KeySettings(file=str(tmp_path / "gone"))
    files = Files("okta", replace(scene.client, private_keys=(entry,)), wall=time.time)
    good = KeyFiles("okta", scene.client.private_keys, provider="okta", algorithms=(), observe=lambda _: None)
    (step,) = await files.keys(good)
    assert step.status == "failed"
    assert step.problem
    assert "gone does not exist" in step.problem.diagnosis.cause


@pytest.mark.parametrize(
    ("days", "status", "said"),
    [(300, "ok", "certificate until"), (5.5, "warning", "which is in 5 days"), (-1, "warning", "which has passed")],
)
async def test_a_certificate_is_shown_and_its_end_announced(scene: Scene, days: float, status: str, said: str) -> None:
    native = rsa.generate_private_key(65537, 2048)
    now = time.time()
    (scene.folder / "key.pem").write_bytes(pem(native))
    certificate = certificate_of(native, not_before=now - 100 * DAY, not_after=now + days * DAY)
    (scene.folder / "cert.pem").write_bytes(pem_of(certificate))
    entry = KeySettings(file=str(scene.folder / "key.pem"), certificate_file=str(scene.folder / "cert.pem"))
    found = await scene.check(offline=True, private_keys=(entry,))
    assert found.step("key").status == status
    assert said in found.read
    assert "x5t#S256" in found.read
    assert found.members("key")["certificate_expires"] == pytest.approx(now + days * DAY, abs=2)


def assertion(**claims: object) -> str:
    return jwt.encode({"alg": "ES256", "kid": "sa"}, claims, a_key())


async def test_an_assertion_file_is_shown_with_whose_it_is_and_for_how_long(scene: Scene) -> None:
    file = scene.folder / "token"
    file.write_text(assertion(sub="system:serviceaccount:shop:web", iss="https://k8s", exp=int(time.time()) + 3000))
    found = await scene.check(offline=True, assertion_file=str(file), private_keys=())
    assert found.went[1] == ("assertion_file", "ok")
    assert "an assertion of system:serviceaccount:shop:web, good for 50" in found.read
    assert found.members("assertion_file")["iss"] == "https://k8s"


async def test_an_assertion_that_ran_out_is_a_failure_offline_too(scene: Scene) -> None:
    file = scene.folder / "token"
    file.write_text(assertion(exp=int(time.time()) - 7200))
    found = await scene.check(offline=True, assertion_file=str(file), private_keys=())
    assert "holds an assertion that ran out 2 h ago; see why nobody renews it" in found.read
    assert not found.ok


async def test_an_assertion_without_an_end_says_so(scene: Scene) -> None:
    file = scene.folder / "token"
    file.write_text(assertion(sub="x"))
    found = await scene.check(offline=True, assertion_file=str(file), private_keys=())
    assert "it does not say when it runs out" in found.read


MILLISECONDS = 1_795_474_000_000


@pytest.mark.parametrize("exp", [MILLISECONDS, 10**400, -1, True, "tomorrow", [], {"a": 1}])
async def test_an_end_that_is_no_epoch_in_seconds_is_said_to_be_none(scene: Scene, exp: object) -> None:
    file = scene.folder / "token"
    file.write_text(assertion(sub="x", exp=exp))
    found = await scene.check(offline=True, assertion_file=str(file), private_keys=())
    assert found.step("assertion_file").status == "warning"
    assert "is no epoch in seconds; correct whatever makes it" in found.read


@pytest.mark.parametrize("issued", [1, MILLISECONDS, None])
async def test_an_assertion_that_ends_in_milliseconds_is_shown_as_it_was_sent(scene: Scene, issued: int | None) -> None:
    file = scene.folder / "token"
    file.write_text(assertion(sub="x", exp=MILLISECONDS, iat=issued))
    found = await scene.check(assertion_file=str(file), private_keys=())
    assert found.step("token").status == "failed"
    assert f"exp {MILLISECONDS}, which is no epoch in seconds" in found.read


async def test_an_assertion_made_in_milliseconds_has_no_length(scene: Scene) -> None:
    file = scene.folder / "token"
    file.write_text(assertion(sub="x", exp=int(time.time()) + 60, iat=MILLISECONDS))
    found = await scene.check(assertion_file=str(file), private_keys=())
    assert found.step("token").status == "failed"
    assert " UTC (for" not in found.read


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2))
def test_of_every_end_it_can_be_told_whether_it_is_a_date(exp: object) -> None:
    if is_epoch(exp):
        assert moment(exp).endswith(" UTC")


async def test_an_assertion_file_that_is_none_is_a_failure(scene: Scene) -> None:
    file = scene.folder / "token"
    file.write_text("no assertion")
    found = await scene.check(assertion_file=str(file), private_keys=())
    assert "must hold one signed JWT" in found.read
    assert "users-api: not asked for, since there is nothing to sign with" in found.read


async def test_other_files_are_looked_at_one_line_each(scene: Scene) -> None:
    ca, _ = self_signed(scene.folder)
    (scene.folder / "claims").write_text('{"tenant": "s3cret"}')
    (scene.folder / "parameters").write_text('{"pin": "s3cret"}')
    (scene.folder / "password").write_text("s3cret")
    scene.token = replace(scene.token, parameters_file=str(scene.folder / "parameters"))
    found = await scene.check(
        offline=True,
        assertion=Assertion(audience="token_endpoint", claims_file=str(scene.folder / "claims")),
        http=Http(
            ca_file=str(ca), proxy="http://me@proxy.example:3128", proxy_password_file=str(scene.folder / "password")
        ),
    )
    assert [step.detail.rpartition(": ")[2] for step in found.steps if step.name == "file"] == [
        "trusted certificates",
        "the proxy's password",
        "further claims",
        "further form fields",
    ]
    assert found.ok
    assert "s3cret" not in found.text + json.dumps(found.json)


@pytest.mark.parametrize("file", ["claims", "parameters", "password", "ca"])
async def test_another_file_that_cannot_be_used_is_named(scene: Scene, file: str) -> None:
    missing = str(scene.folder / file)
    scene.token = replace(scene.token, parameters_file=missing if file == "parameters" else None)
    found = await scene.check(
        offline=True,
        assertion=Assertion(audience="token_endpoint", claims_file=missing if file == "claims" else None),
        http=Http(
            ca_file=missing if file == "ca" else None,
            proxy="http://me@proxy.example:3128",
            proxy_password_file=missing if file == "password" else None,
        ),
    )
    assert found.step("file").status == "failed"
    assert f"FAIL file {missing} cannot be used" in found.read
    assert "No such file" in found.read


async def test_an_audience_that_lacks_a_slash_is_seen_before_anything_is_sent(scene: Scene) -> None:
    found = await scene.check(
        offline=True,
        provider="generic",
        issuer="https://tenant.example/",
        assertion=Assertion(audience="https://tenant.example"),
    )
    assert found.went[1] == ("configuration", "warning")
    said = (
        'assertion.audience is "https://tenant.example", which is https://tenant.example/ but for the slash at the end'
    )
    assert said in found.read


async def test_key_files_that_cannot_be_read_in_time_are_a_failure(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.cli.check.files.PATIENCE", 0.0)
    found = await scene.check(offline=True)
    assert "the key files cannot be read within 0 s; is their volume still there?" in found.read


@pytest.mark.parametrize("claims", ['{"exp": NaN}', '{"exp": 1e999}', '{"sub": "\\ud800"}'])
def test_of_what_no_json_can_say_nothing_is_shown(claims: str) -> None:
    part = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
    assert shown(f"e30.{part}.x") == {}


@for_each("text", ["", "a.b", "a.b.c", "W10.W10.x", "bnVsbA.bnVsbA.x", "\u20ac.\u20ac.x"])
def test_of_what_is_no_assertion_nothing_is_shown(text: str) -> None:
    assert shown(text) == {}
