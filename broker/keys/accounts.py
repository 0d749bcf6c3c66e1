"""The key files that Google and Zitadel hand out: JSON around a PEM, with the key id and the client it belongs to."""

from collections.abc import Mapping
from dataclasses import replace

from msgspec import Struct

from broker.keys.pem import parse_pem
from broker.keys.private import Holder, PrivateKey, UnusableError, is_kid, kid_in


class AccountFormat(Struct, frozen=True):
    """The member names a provider's key file uses for the PEM, the key id and the client."""

    provider: str
    key: str
    kid: str
    holder: str


#: Keyed by the file's member `type`.
FORMS = {
    "service_account": AccountFormat("Google", "private_key", "private_key_id", "client_email"),
    "serviceaccount": AccountFormat("Zitadel", "key", "keyId", "userId"),
    "application": AccountFormat("Zitadel", "key", "keyId", "clientId"),
}
#: Google credentials without a private key (google-auth, `_default.py`).
NOT_KEYS = ("authorized_user", "external_account", "external_account_authorized_user", "impersonated_service_account")


def is_account(members: Mapping[str, object]) -> bool:
    """Whether the JSON object is a provider's key file rather than a JWK, which has `kty`."""
    kind = members.get("type")
    return "kty" not in members and isinstance(kind, str) and kind in {*FORMS, *NOT_KEYS}


def parse_account(members: Mapping[str, object], passphrase: bytes | None) -> PrivateKey:
    """Return the file's private key with its `kid` and `holder`. Raises UnusableError."""
    form = FORMS.get(str(members["type"]))
    if form is None:
        raise UnusableError(
            f'holds Google credentials of the type "{members["type"]}", which have no private key; make a key of a'
            " service account"
        )
    pem, holder = members.get(form.key), members.get(form.holder)
    if not isinstance(pem, str) or "-----BEGIN " not in pem:
        raise UnusableError(
            f'is no whole key file of {form.provider}: its member "{form.key}" is no PEM; download it again'
        )
    if not isinstance(holder, str) or not is_kid(holder):
        raise UnusableError(
            f'is no whole key file of {form.provider}: its member "{form.holder}" does not say whose it is; download it'
            " again"
        )
    key = parse_pem(pem, passphrase)
    return replace(key, kid=kid_in(members, form.kid), holder=Holder(member=form.holder, name=holder))
