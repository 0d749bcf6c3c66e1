"""The object for programs is as the page says."""

import re
import time
from pathlib import Path
from typing import get_args

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt

from broker.cli.check.report import Name, Status
from broker.core.settings import Dpop, Http, KeySettings
from broker.devserver import Fault
from certificates import certificate_of, pem_of
from check.far_servers import Authority, authorization_server
from check.scene import Report, Scene, a_key, write

PAGE = (Path(__file__).parents[2] / "docs" / "check.md").read_text()
COMMON = {"step", "status", "detail", "client", "token", "problem"}


def documented(step: str) -> set[str]:
    """The further members of a step, by the page."""
    table = PAGE[PAGE.index("further members") :]
    (row,) = re.findall(rf"^\| {step} \| (.*) \|$", table, re.MULTILINE)
    return set(re.findall(r"`([^`]+)`", re.sub(r"\(`subject`.*?\)", "", row)))


def seen(*reports: Report) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for report in reports:
        for step in report.json["steps"]:
            found.setdefault(step["step"], set()).update(step.keys() - COMMON)
    return found


async def test_every_member_is_documented_and_every_documented_member_comes(scene: Scene) -> None:
    native = rsa.generate_private_key(65537, 2048)
    pem = native.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (scene.folder / "key.pem").write_bytes(pem)
    now = time.time()
    (scene.folder / "cert.pem").write_bytes(pem_of(certificate_of(native, not_before=now, not_after=now + 9e6)))
    certified = KeySettings(file=str(scene.folder / "key.pem"), certificate_file=str(scene.folder / "cert.pem"))
    claims = {"iss": "i", "sub": "s", "aud": "a", "iat": 1, "exp": int(now) + 60}
    (scene.folder / "jwt").write_text(jwt.encode({"alg": "ES256", "kid": "k", "typ": "JWT"}, claims, a_key()))
    new = write(scene.folder / "new.jwk", a_key("new"))
    authority = Authority(scene.folder)
    reports = [
        await scene.check(private_keys=(new, *scene.client.private_keys)),
        await scene.check(offline=True, private_keys=(certified,)),
        await scene.check(offline=True, assertion_file=str(scene.folder / "jwt"), private_keys=()),
    ]
    async with authorization_server(authority.context()) as server:
        http = Http(ca_file=str(authority.file))
        issuer = f"https://127.0.0.1:{server.port}"
        reports.append(await scene.check(provider="generic", issuer=issuer, http=http))
    scene.server.faults.set(Fault(answer={"token_type": "DPoP", "expires_in": 1_795_000_000}))
    reports.append(await scene.check(dpop=Dpop()))
    reports.append(await scene.check(private_keys=None))
    found = seen(*reports)
    assert set(found) == set(get_args(Name))
    for step, members in found.items():
        assert members == documented(step), step


async def test_a_problem_has_the_members_that_are_documented(scene: Scene) -> None:
    scene.register(a_key())
    problem = (await scene.check()).members("token")["problem"]
    row = next(line for line in PAGE.splitlines() if line.startswith("| `steps[].problem`"))
    assert set(problem) == set(re.findall(r"`(\w+)`", row))


def test_steps_and_outcomes_are_the_documented_ones() -> None:
    for member, names in (("step", get_args(Name)), ("status", get_args(Status))):
        (row,) = re.findall(rf"^\| `steps\[\]\.{member}` \| (.*) \|$", PAGE, re.MULTILINE)
        assert tuple(re.findall(r"`(\w+)`", row)) == names


async def test_it_is_the_same_object_when_nothing_is_wrong_but_less(scene: Scene) -> None:
    found = (await scene.check()).json
    assert (found["ok"], found["offline"]) == (True, False)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", found["version"])
    assert all("problem" not in step for step in found["steps"])
