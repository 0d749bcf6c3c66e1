"""Hands OAuth 2.0 access tokens to workloads that must never see the key.

The flow, in the order of the data: `config` resolves a file and the environment into `settings`; `keys` reads the
private key behind the `signer` seam; `assertion` turns client, audience and time into a signed JWT; `grant` asks
`discovery` where the `token_endpoint` is and posts the assertion there over `transport`; the answer, judged field by
field, is a token (`tokens`); `refresher` puts it into the `store`, asks `schedule` when to replace it and, when
refused, `diagnosis` why; `handout` reads the store for whoever asks on loopback; `admin` and `observers` watch.
"""

__version__ = "0.1.0"
