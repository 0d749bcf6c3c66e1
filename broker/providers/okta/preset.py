"""Okta: one provider, two kinds of authorization server."""

from broker.providers.preset import ES, RS, Preset, Rule

#: They differ in the path: none, or /oauth2/{id}.
ORG = r"/?|/oauth2/v1/token"
CUSTOM = r"/oauth2/(?!v1/)[^/]+(/v1/token)?"

# developer.okta.com: implement-oauth-for-okta-serviceapp, build-self-signed-jwt, auth-servers, and its error texts.
PRESET = Preset(
    title="Okta",
    client={"algorithms": [*RS, *ES], "assertion": {"audience": "token_endpoint"}},
    max_lifetime=3600.0,
    own_api=ORG,
    rules=(
        Rule(
            key="issuer",
            pattern=r"(?!https?://[^/]*-admin\.okta).*",
            reason="this is the address of Okta's Admin Console; leave out -admin",
        ),
        Rule(
            key="issuer",
            pattern=r"https?://[^/]+(/oauth2/(?!v1$)[^/]+)?",
            reason="Okta's issuers are https://DOMAIN (the org authorization server) and https://DOMAIN/oauth2/ID"
            " (a custom one), without a slash at the end",
        ),
        Rule(
            key="assertion.audience",
            pattern=r"(?!issuer$).*",
            reason="Okta refuses any audience but the URL of the endpoint that is called; leave it out",
        ),
        Rule(
            key="scopes",
            pattern=r".+",
            reason="Okta's org authorization server refuses a request without scopes (No scopes were requested.);"
            " write for example [okta.users.read]",
            path=ORG,
        ),
        # ssf.read and ssf.manage: help.okta.com, configure-shared-signal-transmitter.
        Rule(
            key="scopes",
            pattern=r"((okta|ssf)\.\S+( (okta|ssf)\.\S+)*)?",
            reason="Okta's org authorization server grants its own scopes only (okta.…); scopes of your own"
            " belong to a custom authorization server, whose issuer is https://DOMAIN/oauth2/ID",
            path=ORG,
        ),
        Rule(
            key="scopes",
            pattern=r"(?!.*\.self( |$)).*",
            reason="Okta refuses .self scopes with client_credentials",
            grant="client_credentials",
        ),
        Rule(
            key="scopes",
            pattern=r"(?!(.* )?okta\.).*",
            reason="a custom authorization server does not grant okta.… scopes; Okta's org authorization server"
            " does, whose issuer is https://DOMAIN alone",
            path=CUSTOM,
        ),
    ),
)
