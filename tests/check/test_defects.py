"""What nobody foresaw is told like everything else: what no configuration can hold stands for it."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from broker.cli.check.main import _checked
from broker.cli.check.report import defect
from broker.config.resolve import Configuration
from broker.core.settings import ClientSettings, Settings
from check.scene import Scene, report


@pytest.mark.parametrize(
    ("broken", "kind"),
    [({"private_keys": None}, "TypeError"), ({"assertion": None}, "AttributeError")],
)
async def test_an_unexpected_error_is_a_failed_step_with_type_and_place(
    scene: Scene, broken: dict[str, Any], kind: str
) -> None:
    found = await scene.check(**broken)
    assert not found.ok
    assert found.went[-1] == ("defect", "failed")
    assert f"FAIL defect {kind} in " in found.read
    assert "a defect of token-broker, please report this line" in found.read
    assert found.members("defect")["where"].startswith(f"{kind} in ")


async def test_an_unexpected_error_in_one_client_keeps_no_other_from_being_looked_at(scene: Scene) -> None:
    broken = replace(scene.client, assertion=None)
    found = await report({"broken": broken, "okta": scene.client}, {"users-api": scene.token})
    assert [(step.name, step.status) for step in found.steps if step.client == "broken"] == [("defect", "failed")]
    assert found.step("token").status == "ok"


def configuration(clients: dict[str, ClientSettings], **members: Any) -> Configuration:
    return Configuration(settings=Settings(clients=clients, tokens={}, **members), file=None)


@pytest.mark.parametrize("as_json", [True, False])
async def test_the_command_ends_with_1_and_the_report(
    scene: Scene, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    broken = configuration({"okta": replace(scene.client, assertion=None)})
    assert await _checked(broken, offline=False, as_json=as_json) == 1
    told(capsys, as_json=as_json)


@pytest.mark.parametrize("as_json", [True, False])
async def test_an_unexpected_error_outside_the_clients_is_in_the_report_too(
    scene: Scene, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    broken = configuration({"okta": scene.client}, api=None)
    assert await _checked(broken, offline=False, as_json=as_json) == 1
    told(capsys, as_json=as_json)


def told(capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    out, err = capsys.readouterr()
    assert err == ""
    if as_json:
        found = json.loads(out)
        assert not found["ok"]
        assert found["steps"][-1]["step"] == "defect"
    else:
        assert "FAIL  defect" in out
        assert out.splitlines()[-1].startswith("1 step failed")


def test_the_error_in_a_group_is_the_one_that_is_told_without_its_text() -> None:
    with pytest.raises(KeyError) as caught:
        dict[str, int]()["S3CRET"]
    step = defect(ExceptionGroup("", [caught.value]))
    assert str(step.facts["where"]).startswith("KeyError in test_defects.py:")
    assert "S3CRET" not in repr(step)
