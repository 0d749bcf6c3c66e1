import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from broker.__main__ import cli
from broker.keys.generate import generate
from key_forms import jwk, native, pem, private_members, public_members

CONFIG = """
clients:
  one:
    issuer: https://as.example
    client_id: c1
    private_keys:
      - {file: new.jwk}
      - {file: old.pem, kid: old}
    assertion: {audience: token_endpoint}
  two:
    issuer: https://as.example
    client_id: c2
    private_key: {file: old.pem, kid: other}
    assertion: {audience: issuer}
tokens:
  t: {client: one}
  u: {client: two}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "new.jwk").write_text(json.dumps(jwk(native("P-256"), kid="new", extra="x")))
    (tmp_path / "old.pem").write_bytes(pem(native("RSA")))
    return tmp_path


def jwks(folder: Path, *arguments: str, environ: dict[str, str] | None = None) -> Result:
    return CliRunner(env={"TOKEN_BROKER_CONFIG": str(folder / "config.yaml")} | (environ or {})).invoke(
        cli, ["jwks", *arguments], prog_name="token-broker"
    )


def test_it_prints_the_public_half_of_every_key_of_the_client(folder: Path) -> None:
    done = jwks(folder, "--client", "one")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "keys": [
            {**public_members(native("P-256")), "use": "sig", "alg": "ES256", "kid": "new"},
            {**public_members(native("RSA")), "use": "sig", "alg": "RS256", "kid": "old"},
        ]
    }


def test_nothing_private_is_printed(folder: Path) -> None:
    output = jwks(folder, "--client", "one").output
    for kind in ("P-256", "RSA"):
        assert not [value for value in private_members(native(kind)).values() if value[:8] in output]


def test_of_several_clients_one_must_be_named(folder: Path) -> None:
    done = jwks(folder)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "token-broker: --client is needed; the configuration has one, two\n"


def test_a_client_that_is_not_there_is_a_sentence(folder: Path) -> None:
    done = jwks(folder, "--client", "three")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "token-broker: there is no client three; the configuration has one, two\n"


def test_a_key_that_cannot_be_used_leaves_no_half_a_set(folder: Path) -> None:
    (folder / "old.pem").unlink()
    done = jwks(folder, "--client", "one")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: {folder}/old.pem does not exist; mount it there or correct the name.\n"


def test_a_bad_configuration_is_exit_code_2(folder: Path) -> None:
    (folder / "config.yaml").write_text("clients: {}\n")
    done = jwks(folder)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("token-broker: ")
    assert "Traceback" not in done.stderr


def test_the_only_client_need_not_be_named_and_the_command_is_as_it_is_typed(folder: Path) -> None:
    environ = {
        "TOKEN_BROKER_ISSUER": "https://acme.okta.com",
        "TOKEN_BROKER_PROVIDER": "okta",
        "TOKEN_BROKER_CLIENT_ID": "0oa1",
        "TOKEN_BROKER_KEY_FILE": str(folder / "new.jwk"),
        "TOKEN_BROKER_SCOPES": "okta.users.read",
    }
    done = subprocess.run(
        [sys.executable, "-m", "broker", "jwks"], env=environ, capture_output=True, text=True, check=True, cwd=folder
    )
    assert [key["kid"] for key in json.loads(done.stdout)["keys"]] == ["new"]


def test_a_sentence_that_asks_is_not_ended_twice(folder: Path) -> None:
    (folder / "old.pem").write_bytes(b"#" * 100_000)
    assert jwks(folder, "--client", "two").stderr.endswith("is it the right file?\n")


def kids(done: Result) -> list[str]:
    assert (done.exit_code, done.stderr) == (0, "")
    return [key["kid"] for key in json.loads(done.stdout)["keys"]]


def refused(done: Result) -> str:
    assert (done.exit_code, done.stdout) == (1, "")
    return done.stderr


@pytest.mark.parametrize("half", ["public", "private"])
def test_a_key_that_is_not_in_use_yet_is_added_by_either_half(folder: Path, half: str) -> None:
    pair = generate("ES256", kid="next")
    (folder / "next.jwk").write_text(json.dumps(pair.public_jwk if half == "public" else pair.private_jwk))
    done = jwks(folder, "--client", "one", "--add", str(folder / "next.jwk"))
    assert kids(done) == ["new", "old", "next"]
    assert json.loads(done.stdout)["keys"][2] == pair.public_jwk
    assert pair.private_jwk["d"][:8] not in done.output


def test_what_keygen_prints_can_be_added_as_it_is(folder: Path) -> None:
    for algorithm in ("RS256", "ES384", "EdDSA"):
        printed = CliRunner().invoke(cli, ["keygen", "--algorithm", algorithm, "--out", f"{folder}/{algorithm}.jwk"])
        (folder / f"{algorithm}.public.jwk").write_text(printed.stdout)
        done = jwks(folder, "--client", "two", "--add", f"{folder}/{algorithm}.public.jwk")
        assert json.loads(done.stdout)["keys"][1] == json.loads(printed.stdout)


def test_several_may_be_added_and_a_set_of_them(folder: Path) -> None:
    pairs = [generate("ES256", kid=f"k{number}") for number in range(3)]
    (folder / "set").write_text(json.dumps({"keys": [pair.public_jwk for pair in pairs[:2]]}))
    (folder / "one").write_text(json.dumps(pairs[2].public_jwk))
    done = jwks(folder, "--client", "two", "--add", str(folder / "set"), "--add", str(folder / "one"))
    assert kids(done) == ["other", "k0", "k1", "k2"]


def test_a_key_that_is_in_use_by_now_is_in_the_set_once(folder: Path) -> None:
    (folder / "new.public.jwk").write_text(json.dumps({**public_members(native("P-256")), "kid": "new"}))
    assert kids(jwks(folder, "--client", "one", "--add", str(folder / "new.public.jwk"))) == ["new", "old"]


def test_another_key_of_the_same_kid_is_refused(folder: Path) -> None:
    (folder / "next.jwk").write_text(json.dumps(generate("ES256", kid="new").public_jwk))
    assert refused(jwks(folder, "--client", "one", "--add", str(folder / "next.jwk"))) == (
        f"Error: {folder}/next.jwk holds another key under the kid 'new', which is in use; make one with its own kid.\n"
    )


def test_a_google_key_file_can_be_added(folder: Path) -> None:
    account = {"type": "service_account", "private_key_id": "g1", "client_email": "a@b"}
    (folder / "google.json").write_text(json.dumps({**account, "private_key": pem(native("RSA")).decode()}))
    assert kids(jwks(folder, "--client", "two", "--add", str(folder / "google.json"))) == ["other", "g1"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (pem(native("RSA")), "holds neither a JWK nor a JWKS; take the public JWK that token-broker keygen printed."),
        (b"", "holds neither a JWK nor a JWKS; take the public JWK that token-broker keygen printed."),
        (b"{", "is not valid JSON, as if cut off; write it again, whole."),
        (b'{"keys": 1}', 'is no JWKS: its member "keys" must be a list of JWKs.'),
        (b'{"keys": []}', "is a JWKS without a key; take the public JWK that"),
        (json.dumps(public_members(native("P-256"))).encode(), "holds a key without kid, which a set of keys needs;"),
        (json.dumps({**public_members(native("P-256")), "kid": "a\nb"}).encode(), 'has a member "kid" that is no'),
        (json.dumps({**public_members(native("P-256")), "kid": "a", "use": "enc"}).encode(), "is not for signing"),
        (
            json.dumps({**public_members(native("P-256")), "kid": "a", "key_ops": ["encrypt"]}).encode(),
            'lacks "verify"',
        ),
        (json.dumps({**public_members(native("P-256")), "kid": "a", "y": "AAAA"}).encode(), "is damaged: the numbers"),
        (json.dumps({**public_members(native("P-256")), "kid": "a", "crv": "secp256k1"}).encode(), "secp256k1"),
        (json.dumps({**public_members(native("P-256")), "kid": "a", "alg": "RS256"}).encode(), "signs with ES256"),
        (json.dumps({"kty": "oct", "k": "AAAA", "kid": "a"}).encode(), 'symmetric key (kty "oct")'),
        (b"x" * 70000, "is larger than 65536 bytes; is it the right file?\n"),
    ],
)
def test_what_cannot_be_added_is_a_sentence_that_names_the_file(folder: Path, content: bytes, expected: str) -> None:
    (folder / "next").write_bytes(content)
    said = refused(jwks(folder, "--client", "two", "--add", str(folder / "next")))
    assert said.startswith(f"Error: {folder}/next ")
    assert expected in said


def test_a_file_that_is_not_there_is_a_sentence(folder: Path) -> None:
    assert "next cannot be read: No such file or directory." in refused(
        jwks(folder, "--client", "two", "--add", str(folder / "next"))
    )


@pytest.mark.parametrize("kind", ["RSA", "P-256", "P-384", "P-521", "Ed25519"])
def test_a_public_key_of_any_kind_can_be_added(folder: Path, kind: str) -> None:
    (folder / "next").write_text(json.dumps({**public_members(native(kind, 2)), "kid": "next"}))
    (_, added) = json.loads(jwks(folder, "--client", "two", "--add", str(folder / "next")).stdout)["keys"]
    assert added.items() >= {**public_members(native(kind, 2)), "kid": "next", "use": "sig"}.items()


def test_the_key_of_another_client_is_refused_here_too(folder: Path) -> None:
    account = {"type": "service_account", "private_key_id": "g1", "client_email": "a@b"}
    (folder / "new.jwk").write_text(json.dumps({**account, "private_key": pem(native("RSA")).decode()}))
    assert "is the key of 'a@b' (its member client_email), but client_id is 'c1'" in refused(
        jwks(folder, "--client", "one")
    )


def test_a_client_that_shows_a_file_of_somebody_else_has_no_key_to_publish(folder: Path) -> None:
    config = CONFIG.replace("private_key: {file: old.pem, kid: other}", "assertion_file: /token")
    config = config.replace("    assertion: {audience: issuer}\n", "")
    (folder / "config.yaml").write_text(config)
    done = jwks(folder, "--client", "two")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == ("token-broker: the client two has no key of its own: it shows what is in assertion_file\n")


def test_a_set_with_a_key_that_has_no_kid_is_warned_about(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG.replace("{file: old.pem, kid: old}", "{file: old.pem}"))
    done = jwks(folder, "--client", "one")
    assert (done.exit_code, len(json.loads(done.stdout)["keys"])) == (0, 2)
    assert done.stderr.startswith("Warning: there is a key without kid, by which servers tell the keys of a set apart;")
