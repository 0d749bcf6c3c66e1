"""Preset and refusals of Microsoft Entra ID; each description starts with AADSTS and an error number.

Microsoft reserves the right to change codes and texts (learn.microsoft.com, reference-error-codes), so nothing but the
advice hangs on these: what is not here falls through to `oauth`, by the `error` of RFC 6749.
"""

from broker.core.diagnosis import Act
from broker.providers.preset import Preset, Rule
from broker.providers.rows import Row

# learn.microsoft.com: identity-platform/certificate-credentials, v2-oauth2-client-creds-grant-flow,
# v2-oauth2-on-behalf-of-flow; msal 1.39.
PRESET = Preset(
    title="Microsoft Entra ID",
    client={
        "send_client_id": True,
        "algorithms": ["PS256", "RS256"],
        "assertion": {"audience": "token_endpoint"},
    },
    rules=(
        Rule(
            key="certificate_file",
            pattern=r".+",
            reason="Microsoft Entra ID finds the key by its certificate's thumbprint (x5t#S256); name the PEM file"
            " with the certificate that was uploaded",
        ),
        Rule(
            key="send_client_id",
            pattern=r"true",
            reason="Microsoft Entra ID requires client_id in the form; leave it out",
        ),
        Rule(
            key="assertion.audience",
            pattern=r"(?!issuer$).*",
            reason="Microsoft Entra ID expects the URL of the token endpoint; leave it out",
        ),
        Rule(
            key="grant",
            pattern=r"client_credentials",
            reason="Microsoft Entra ID takes jwt_bearer for tokens of signed-in users only (on-behalf-of); leave it"
            " out",
        ),
        Rule(
            key="scopes",
            pattern=r"\S+/\.default",
            reason="Microsoft Entra ID takes exactly one scope, RESOURCE/.default; write for example"
            " [https://graph.microsoft.com/.default]",
        ),
    ),
)

CERTIFICATES = "Microsoft Entra admin center > App registrations > the app > Certificates & secrets"
FEDERATED = f"{CERTIFICATES} > Federated credentials"

ROWS = (
    # The reasons stand in brackets behind the code, in one text.
    Row(
        says=("AADSTS700027: Client assertion contains an invalid signature. [Reason - The key used is expired",),
        reason="key_expired",
        act=Act.KEY,
        cause="The certificate with which the assertion was signed has expired, or Microsoft's clock and the"
        " certificate's dates disagree.",
        fix=f"Make a new key and certificate, upload the certificate under {CERTIFICATES} > Certificates, and mount"
        " both as file and certificate_file in clients.<name>.private_keys.",
    ),
    Row(
        says=("AADSTS700027:",),
        reason="signature_refused",
        act=Act.KEY,
        cause="Microsoft Entra ID finds no certificate of this app by the thumbprint in the assertion, or that"
        " certificate is not the one of this key.",
        fix="Name the key's certificate as certificate_file in clients.<name>.private_keys, and upload that very file"
        f" under {CERTIFICATES} > Certificates.",
        steps=(
            "Name the key's certificate (PEM) as certificate_file beside file in clients.<name>.private_keys.",
            "Open Microsoft Entra admin center > App registrations > the app > Certificates & secrets > Certificates.",
            "Choose Upload certificate, and upload that very file.",
            "Compare the thumbprint that is shown there with the one of the file; a new one may take some minutes.",
        ),
    ),
    Row(
        says=("AADSTS700030:",),
        reason="signature_refused",
        act=Act.KEY,
        cause="Microsoft Entra ID does not accept the subject name in the certificate for this app.",
        fix=f"Upload the certificate itself under {CERTIFICATES} > Certificates, or have its subject name authorised.",
    ),
    Row(
        says=("AADSTS700024:", "AADSTS500133:"),
        reason="clock",
        act=Act.CLOCK,
        cause="The assertion is not within its valid time range: this machine's clock is off, or the file"
        " clients.<name>.assertion_file holds a token that has run out.",
        fix="Compare the current time in Microsoft's words with this machine's and synchronise the node's clock (NTP,"
        " chrony); with an assertion_file, see that the projected token is still being renewed.",
    ),
    Row(
        says=("AADSTS70021:", "No matching federated identity record found for presented assertion"),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="No federated credential of this app has the issuer, subject and audience of the token in"
        " clients.<name>.assertion_file; one that was just made takes a moment to be known.",
        fix=f"Under {FEDERATED} enter the issuer, the subject and the audience exactly as `token-broker check` shows"
        " them, letter case and slashes included.",
    ),
    Row(
        says=("AADSTS700025:",),
        reason="auth_method",
        act=Act.OPERATOR,
        cause="The app is a public client, which may not prove itself with a key.",
        fix="Under Microsoft Entra admin center > App registrations > the app > Authentication set Allow public client"
        " flows to No.",
    ),
    Row(
        says=("AADSTS50027:", "AADSTS50013:"),
        reason="assertion_refused",
        act=Act.OPERATOR,
        cause="Microsoft Entra ID finds the assertion malformed, or made for another service.",
        fix="Leave out clients.<name>.assertion.audience, see that clients.<name>.assertion_file (if there is one) is a"
        " token for api://AzureADTokenExchange, and look for a proxy that rewrites requests.",
    ),
    Row(
        says=("AADSTS700016:", "AADSTS700011:", "AADSTS70001:", "AADSTS7000112:"),
        reason="client_unknown",
        act=Act.OPERATOR,
        cause="This tenant has no app with the configured client id, or the app is disabled.",
        fix="Copy Application (client) ID from Microsoft Entra admin center > App registrations > the app to"
        " clients.<name>.client_id, and the tenant it is in to clients.<name>.issuer.",
    ),
    Row(
        says=("AADSTS90002:", "AADSTS900023:", "AADSTS50194:"),
        reason="wrong_server",
        act=Act.OPERATOR,
        cause="There is no such tenant, or the URL names none.",
        fix="Write Directory (tenant) ID, as Microsoft Entra admin center > Overview shows it, into"
        " clients.<name>.issuer: https://login.microsoftonline.com/TENANT/v2.0.",
    ),
    Row(
        says=("AADSTS70011:", "AADSTS1002012:", "AADSTS28002:", "AADSTS28003:"),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="The scope is not of the form RESOURCE/.default, or there are several resources in it.",
        fix="Write exactly one entry into tokens.<name>.scopes, for example https://graph.microsoft.com/.default; each"
        " further resource needs a token of its own.",
    ),
    Row(
        says=("AADSTS500011:", "AADSTS50001:", "AADSTS650057:"),
        reason="target_refused",
        act=Act.OPERATOR,
        cause="The resource in the scope does not exist in this tenant.",
        fix="Correct the part before /.default in tokens.<name>.scopes (Application ID URI under Expose an API of the"
        " API's app), or have the API's app added to the tenant.",
    ),
    Row(
        says=("AADSTS65001:",),
        reason="scope_refused",
        act=Act.OPERATOR,
        cause="No administrator has consented to the application permissions of this app.",
        fix="Open Microsoft Entra admin center > App registrations > the app > API permissions, and choose Grant admin"
        " consent.",
    ),
    Row(
        says=("AADSTS53003:", "AADSTS530035:"),
        reason="policy_refused",
        act=Act.OPERATOR,
        cause="A Conditional Access policy of the tenant blocks this app from here.",
        fix="Look the request up under Microsoft Entra admin center > Sign-in logs > Service principal sign-ins, and"
        " have the policy that it names permit the app or this network.",
    ),
    Row(
        says=("AADSTS50196:",),
        reason="rate_limited",
        act=Act.LIMIT,
        cause="Microsoft Entra ID saw this app ask for the same token too often in a short time.",
        fix="Wait, the broker comes back by itself; look for programs that use clients.<name>.client_id and keep no"
        " token.",
    ),
)
