"""Preset of PingOne; its refusals are those of any server (`general`)."""

from broker.providers.preset import ES, RS, Preset

# docs.pingidentity.com: token URL, issuer and the endpoint that is called are all taken.
PRESET = Preset(
    title="PingOne",
    client={"algorithms": [*RS, *ES], "assertion": {"audience": "token_endpoint"}},
)
