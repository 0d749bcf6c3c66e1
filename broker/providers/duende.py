"""Preset of Duende IdentityServer; its refusals are those of any server (`general`)."""

from broker.providers.preset import ES, PS, RS, Preset

# DuendeSoftware/products: strict and lenient servers both take the issuer.
PRESET = Preset(
    title="Duende IdentityServer",
    client={"algorithms": [*RS, *PS, *ES], "assertion": {"audience": "issuer"}},
)
