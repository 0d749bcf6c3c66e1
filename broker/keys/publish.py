"""The public keys of a client as a set, with those that are not in use yet."""

from collections.abc import Iterable, Mapping, Sequence

from broker.keys.algorithms import choose
from broker.keys.local import public_jwk
from broker.keys.private import PublicKey, UnusableError

#: Members that say how a key is used, and not which it is.
ABOUT = ("kid", "use", "alg")


def joined(
    jwks: Iterable[Mapping[str, str]], added: Iterable[PublicKey], *, allowed: Sequence[str], provider: str
) -> list[dict[str, str]]:
    """The JWKs in `jwks` and those of the keys `added`, each once (RFC 7517 section 4.5: no two with one `kid`).

    `allowed` is what `provider` takes, in order of preference; empty: anything. Raises UnusableError for a key that is
    not, or that has another's `kid`.
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
    return {name: value for name, value in jwk.items() if name not in ABOUT}
