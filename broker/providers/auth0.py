"""Preset, rate limits and refusals of Auth0."""

from broker.core.diagnosis import Act
from broker.providers.preset import Preset, Rule
from broker.providers.rows import Row

# auth0.com: authenticate-with-private-key-jwt; algorithms: the Management API's ClientCredentialAlgorithmEnum.
PRESET = Preset(
    title="Auth0",
    client={"algorithms": ["RS256", "RS384", "PS256"], "assertion": {"audience": "issuer"}},
    max_lifetime=300.0,
    rules=(
        Rule(
            key="issuer",
            pattern=r".*/",
            reason="Auth0's issuer ends with a slash, https://TENANT.auth0.com/, and is compared with it",
        ),
        Rule(
            key="assertion.audience",
            pattern=r"(?!token_endpoint$).*",
            reason="Auth0 expects its issuer, https://TENANT.auth0.com/; leave it out",
        ),
        Rule(
            key="audience",
            pattern=r".+",
            reason="Auth0 has to be told which API the token is for; write the API's identifier",
        ),
    ),
)

#: https://auth0.com/docs: fine-grained M2M token quotas, and the monthly one of the subscription.
LIMITS = (
    Row(
        codes=("too_many_requests",),
        providers=("auth0",),
        reason="rate_limited",
        act=Act.LIMIT,
        cause="The quota of machine-to-machine tokens is used up: the application's by the hour or the day, or the"
        " tenant's by the month.",
        fix="Wait, the broker comes back when Auth0 said; if it recurs, raise the application's token quota, let fewer"
        " replicas share clients.<name>.client_id, or have tokens live longer (APIs > the API > Token Expiration).",
    ),
)

ROWS = (
    Row(
        codes=("access_denied",),
        says=("Client is not authorized to access",),
        reason="target_refused",
        act=Act.OPERATOR,
        cause="The application is not authorised for the API in tokens.<name>.audience.",
        fix="In Auth0's dashboard open Applications > APIs > the API > Machine to Machine Applications, and authorise"
        " the application there.",
    ),
    Row(
        codes=("access_denied",),
        says=("Service not found:",),
        reason="target_refused",
        act=Act.OPERATOR,
        cause="The tenant has no API with the identifier in tokens.<name>.audience.",
        fix="Copy Identifier from Auth0's dashboard > Applications > APIs > the API to tokens.<name>.audience, slash at"
        " the end included.",
    ),
    Row(
        codes=("access_denied", "invalid_scope"),
        says=("Client has not been granted scopes",),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="A requested scope is not granted to the application.",
        fix="In Auth0's dashboard open Applications > APIs > the API > Machine to Machine Applications > the"
        " application, and tick it, or correct tokens.<name>.scopes.",
    ),
    Row(
        codes=("unauthorized_client",),
        says=("Grant type 'client_credentials' not allowed for the client",),
        reason="grant_refused",
        act=Act.OPERATOR,
        cause="The application may not use client_credentials.",
        fix="In Auth0's dashboard open Applications > the application > Settings > Advanced Settings > Grant Types, and"
        " tick Client Credentials.",
    ),
)
