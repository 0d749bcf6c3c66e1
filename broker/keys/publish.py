"""A client's public keys as a JWKS, including keys not in use yet."""

from collections.abc import Iterable, Mapping, Sequence

from broker.keys.algorithms import choose
from broker.keys.local import public_jwk
from broker.keys.private import PublicKey, UnusableError

#: Members that describe a key's use, not its identity.
USAGE_MEMBERS = ("kid", "use", "alg")


def joined(
    jwks: Iterable[Mapping[str, str]], added: Iterable[PublicKey], *, allowed: Sequence[str], provider: str
) -> list[dict[str, str]]:
    """Return the JWKs in `jwks` and those of `added`, without duplicates (RFC 7517 section 4.5: distinct `kid`s).

    `allowed` lists the algorithms that `provider` accepts, in order of preference; empty means any. Raises
    UnusableError for a key that fits none, or that has another key's `kid`.
    """
    found = [dict(jwk) for jwk in jwks]
    for key in added:
        algorithm = choose(key, configured=None, allowed=allowed, provider=provider)
        new = public_jwk(key, algorithm=algorithm, kid=key.kid)
        like = next((jwk for jwk in found if jwk.get("kid") == key.kid), None)
        if like is None:
            found.append(new)
        elif _numbers(like) != _numbers(new):
            raise UnusableError(
                f"holds another key under the kid {key.kid!r}, which is in use; make one with its own kid"
            )
    return found


def _numbers(jwk: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in jwk.items() if name not in USAGE_MEMBERS}
