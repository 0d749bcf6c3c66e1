"""The scenes of the pictures in docs/images: a team with two providers and five tokens."""

from pathlib import Path

from broker.core.errors import NetworkError, RefusalError
from broker.core.events import ClockMeasured
from broker.core.settings import Assertion, KeySettings, TokenSettings
from status_scenes import Scene, a_client, write_key

KID = "2026-11-okta"


async def five_tokens(folder: Path) -> Scene:
    """All good."""
    keys = folder / "var/run/secrets/token-broker"
    okta, keycloak = keys / "okta", keys / "keycloak"
    for number, (file, kid) in enumerate(((okta, KID), (keycloak, "reporting-1"))):
        file.mkdir(parents=True)
        write_key(file / "private-key.jwk", number, kid)
    scene = Scene(
        {
            "okta": a_client(private_keys=(KeySettings(file=str(okta / "private-key.jwk")),)),
            "keycloak": a_client(
                provider="keycloak",
                issuer="https://sso.acme.example/realms/acme",
                client_id="reporting",
                private_keys=(KeySettings(file=str(keycloak / "private-key.jwk")),),
                assertion=Assertion(audience="issuer"),
            ),
        },
        {
            "users-api": TokenSettings(client="okta", scopes=("okta.users.read", "okta.groups.read")),
            "group-sync": TokenSettings(client="okta", scopes=("okta.groups.manage",)),
            "audit-log": TokenSettings(client="okta", scopes=("okta.logs.read",), required=False),
            "reports": TokenSettings(client="keycloak", scopes=("reports.read", "reports.write")),
            "billing": TokenSettings(client="keycloak", scopes=("billing.read",)),
        },
    )
    scene.root = str(folder)
    scene.endpoints |= {
        "okta": "https://acme.okta.com/oauth2/v1/token",
        "keycloak": "https://sso.acme.example/realms/acme/protocol/openid-connect/token",
    }
    scene.time -= 3.2 * 86400
    scene.history.started_at = scene.time
    for client in scene.keys.values():
        await client.load()
    scene.time += 3.2 * 86400
    for name, offset in (("okta", 0.3), ("keycloak", -0.2)):
        scene.tell(ClockMeasured(client=name, offset=offset, used=False))
    ages = {"users-api": 1080, "group-sync": 2212, "audit-log": 311, "reports": 92, "billing": 58}
    for name, age in ages.items():
        scene.hold(name, age=age, lifetime=3600 if scene.settings.tokens[name].client == "okta" else 300)
    for name, times in {"users-api": 18_244, "group-sync": 312, "reports": 6_021, "billing": 977}.items():
        scene.hand_out(name, times)
    return scene


async def trouble(folder: Path) -> Scene:
    """A key that was swapped for one that Okta does not know, and a Keycloak that is being upgraded."""
    scene = await five_tokens(folder)
    scene.time += 2_300
    for name, age in {"users-api": 2_450, "audit-log": 1_500}.items():
        scene.hold(name, age=age)
    for name in ("reports", "billing"):
        scene.hold(name, age=230 if name == "reports" else 70, lifetime=300)
    wrong_key = RefusalError(401, "invalid_client", "The client_assertion signature is invalid.")
    scene.fail("group-sync", wrong_key, attempts=9, lasting=1_020, retry=212)
    scene.fail("users-api", wrong_key, attempts=2, lasting=61, retry=212)
    scene.fail("reports", NetworkError("connect", "sso.acme.example:443", "Connection refused"), attempts=3, lasting=21)
    scene.tell(ClockMeasured(client="keycloak", offset=14.4, used=True))
    file = scene.settings.clients["keycloak"].private_keys[0].file
    Path(file).write_text("{")
    await scene.keys["keycloak"].load()
    return scene
