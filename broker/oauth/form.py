"""What a token request consists of beside its assertion: form fields, and the claims that somebody asked for."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from broker.core.errors import SecretFileError
from broker.core.settings import RESERVED_CLAIMS, ClientSettings, TokenSettings
from broker.files.secret_files import read_members

#: RFC 7523 section 2.2.
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: RFC 7523 section 2.1.
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


#: Shorter ones would take the server's words apart, and are no secrets.
SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A token request but for its assertion: the fields beside that, and the further claims in it.

    `fields` is a list, since `resource` may be repeated (RFC 8707 section 2). `secrets` are the texts that came from
    files for secrets.
    """

    fields: list[tuple[str, str]] = field(repr=False)
    claims: Mapping[str, object] = field(repr=False)
    secrets: frozenset[str] = field(repr=False)


async def form_of(client: ClientSettings, token: TokenSettings) -> Form:
    """What is configured, and what the files for secrets say now. Raises SecretFileError."""
    parameters: dict[str, str] = {}
    if token.parameters_file:
        parameters = await _parameters(token.parameters_file, token.our_fields)
    asked = _asked(token) if _in_the_assertion(token) else {}
    claims_file = client.assertion.claims_file
    claims = await _members(claims_file, RESERVED_CLAIMS | asked.keys()) if claims_file else {}
    return Form(
        fields=list(_fields(client, token, parameters)),
        claims=client.assertion.claims | claims | asked,
        secrets=frozenset(text for text in _texts([parameters, claims]) if len(text) >= SHORTEST_SECRET),
    )


def _fields(client: ClientSettings, token: TokenSettings, parameters: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from {**token.parameters, **parameters}.items()
    bearer = token.grant == "jwt_bearer"
    yield "grant_type", JWT_BEARER if bearer else token.grant
    if not bearer:
        yield "client_assertion_type", ASSERTION_TYPE
    if client.send_client_id:
        yield "client_id", client.client_id
    if token.audience is not None:
        yield "audience", token.audience
    if not _in_the_assertion(token):
        if token.scopes:
            yield "scope", " ".join(token.scopes)
        yield from (("resource", uri) for uri in token.resource)


def _asked(token: TokenSettings) -> dict[str, object]:
    asked = {"scope": " ".join(token.scopes), "resource": list(token.resource)}
    return {name: value for name, value in asked.items() if value}


def _texts(value: object) -> Iterator[str]:
    """Every text within a JSON value but the names of members."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def assertion_field(token: TokenSettings) -> str:
    """As what the assertion is sent: the client's authentication, or the grant itself."""
    return "assertion" if token.grant == "jwt_bearer" else "client_assertion"


def parties(client: ClientSettings, token: TokenSettings) -> tuple[str, str | None]:
    """`iss` and `sub`: both the client where it proves who it is (RFC 7523 section 3), else as configured."""
    if token.grant == "jwt_bearer":
        return token.jwt_bearer.issuer or client.client_id, token.jwt_bearer.subject
    return client.client_id, client.client_id


def _in_the_assertion(token: TokenSettings) -> bool:
    """Whether what is asked for is said there (Google, Maskinporten) and not in the form."""
    return token.grant == "jwt_bearer" and token.jwt_bearer.scope_in == "assertion"


async def _members(file: str, ours: AbstractSet[str]) -> dict[str, object]:
    members = await read_members(file)
    if taken := sorted(ours & members.keys()):
        raise SecretFileError(f"{file} may not hold {', '.join(taken)}: that is for the broker to say")
    return members


async def _parameters(file: str, ours: frozenset[str]) -> dict[str, str]:
    parameters = await _members(file, ours)
    texts = {name: value for name, value in parameters.items() if isinstance(value, str)}
    if texts.keys() != parameters.keys():
        raise SecretFileError(f"{file} must hold texts only, in quotes")
    return texts
