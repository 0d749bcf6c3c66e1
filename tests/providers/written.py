"""Configurations of one client and one token of a provider."""

from pathlib import Path

import pytest

from broker.config import resolve
from broker.core.errors import ConfigError
from broker.core.settings import ClientSettings, Settings

ISSUERS = {
    "okta": "https://acme.okta.com",
    "custom": "https://acme.okta.com/oauth2/default",
    "auth0": "https://acme.eu.auth0.com/",
    "entra": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
}
TOKENS = {
    "okta": "scopes: [okta.users.read]",
    "custom": "scopes: [orders.read]",
    "entra": "scopes: [https://graph.microsoft.com/.default]",
    "auth0": "audience: https://orders.example.com/",
    "smart": "scopes: [system/Patient.rs]",
    "google": "scopes: [https://www.googleapis.com/auth/cloud-platform]",
    "salesforce": "jwt_bearer: {subject: reports@example.com}",
    "maskinporten": "scopes: [acme:read]",
    "id-porten": "scopes: [acme:read]",
    "docusign": "scopes: [signature, impersonation]",
    "zitadel": "scopes: [openid]",
}
CLIENT_IDS = {"google": "reports@acme.iam.gserviceaccount.com"}
KEYS = {"entra": "{file: key.pem, certificate_file: key.crt}"}


def text(server: str, client: str = "", token: str | None = None, issuer: str | None = None) -> str:
    issuer = f"issuer: {issuer or ISSUERS.get(server, 'https://idp.example.com')}"
    lines = [
        "clients:",
        "  one:",
        f"    provider: {'okta' if server == 'custom' else server}",
        f"    {client if client.startswith('token_endpoint') else issuer}",
        f"    client_id: {CLIENT_IDS.get(server, 'a')}" if not client.startswith("client_id") else "",
        f"    private_key: {KEYS.get(server, '{file: key.pem}')}" if "private_key" not in client else "",
        "" if client.startswith("token_endpoint") else f"    {client}",
        "tokens:",
        f"  default: {{{TOKENS.get(server, 'scopes: []') if token is None else token}}}",
    ]
    return "\n".join(line for line in lines if line.strip())


def whole(folder: Path, content: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(content)
    return resolve.load(str(path), {})


def load(folder: Path, content: str) -> ClientSettings:
    return whole(folder, content).clients["one"]


def refused(folder: Path, content: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(folder, content)
    return [line.removeprefix(f"{folder}/config.yaml:").partition(": ")[2] for line in raised.value.complaints]
