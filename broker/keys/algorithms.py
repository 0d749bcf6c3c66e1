"""The choice of a key's JWS algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1)."""

from collections.abc import Sequence

from broker.keys.private import PrivateKey, PublicKey, UnusableError

#: Algorithms by kind of key, the most widely accepted first: some servers reject RFC 9864's name `Ed25519`.
FITTING = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA", "Ed25519"),
}


def choose(key: PrivateKey | PublicKey, *, configured: str | None, allowed: Sequence[str], provider: str) -> str:
    """Return the configured algorithm, else the JWK's own `alg` if allowed, else the first allowed one that fits.

    `allowed` lists the algorithms that `provider` accepts, in order of preference; empty means any. Raises
    UnusableError.
    """
    fitting = FITTING[key.kind]
    allowed = allowed or fitting
    if configured is not None:
        if configured not in fitting:
            raise UnusableError(_misfit(key.kind, f"the configured algorithm {configured}", "correct algorithm"))
        if configured not in allowed:
            raise UnusableError(
                f"is to sign with {configured}, but the provider {provider} takes {', '.join(allowed)}; correct"
                " algorithm"
            )
        return configured
    if key.alg is not None and key.alg not in fitting:
        raise UnusableError(_misfit(key.kind, 'what its member "alg" says', "correct that"))
    if key.alg is not None and key.alg in allowed:
        return key.alg
    for algorithm in allowed:
        if algorithm in fitting:
            return algorithm
    raise UnusableError(
        f"holds {_article(key.kind)} key, but the provider {provider} takes {', '.join(allowed)}; make a fitting key"
        f" with token-broker keygen --algorithm {allowed[0]}"
    )


def _misfit(kind: str, asked: str, fix: str) -> str:
    return f"holds {_article(kind)} key, which signs with {', '.join(FITTING[kind])} and not {asked}; {fix}, or the key"


def _article(kind: str) -> str:
    return f"an {kind}" if kind in {"RSA", "Ed25519"} else f"a {kind}"
