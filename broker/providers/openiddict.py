"""Preset of OpenIddict; its refusals are those of any server (`general`)."""

from broker.providers.preset import Preset

# openiddict/openiddict-core 2539, 2540, 2546: 7.0 to 7.6 take nothing else, later ones take this too.
PRESET = Preset(
    title="OpenIddict",
    client={"assertion": {"audience": "issuer", "typ": "client-authentication+jwt"}},
)
