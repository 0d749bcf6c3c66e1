"""Serves OAuth 2.0 access tokens to workloads that must never see the key.

The flow, in the order of the data: `config` resolves a file and the environment into settings (`core`); `keys` reads
the private key behind the `Signer` protocol; `oauth` turns client, audience and time into a signed JWT, posts it to the
token endpoint over `http_client` and judges the reply field by field; `refresh` keeps the token, decides when to
replace it and, when refused, asks `providers` why; `workload_api` serves it to callers on loopback over `http_server`;
`admin` and `observers` watch. `app` composes all of it, `cli` starts it.
"""

__version__ = "0.1.0"
