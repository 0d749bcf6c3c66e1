"""Preset of IBM Verify; its refusals are those of any server (`general`)."""

from broker.providers.preset import PS, RS, Preset

# ibm.com/docs: client secret JWT and private key JWT. Its text wants the issuer, its example the token endpoint.
PRESET = Preset(
    title="IBM Verify",
    client={"algorithms": [*RS, *PS], "assertion": {"audience": "issuer"}},
    max_lifetime=86400.0,
)
