"""`token-broker keygen`: a key pair, the private half for the broker and the public half for the identity provider."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from broker.keys.generate import KeyPair

#: As in `settings`, which would be slow to import for a list.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    *("EdDSA", "Ed25519"),
)
#: What a PEM, which cannot say it, is taken for.
ASSUMED = ("RS256", "ES256", "ES384", "ES512", "EdDSA")


class Algorithm(click.Choice[str]):
    """One of `ALGORITHMS`, in any case; told in theirs."""

    def __init__(self) -> None:
        super().__init__(ALGORITHMS, case_sensitive=False)

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's
        """The end of the sentence."""
        return f"{value!r} is not one of {', '.join(ALGORITHMS)}."


@click.command("keygen")
@click.option(
    "--algorithm",
    type=Algorithm(),
    default="RS256",
    show_default=True,
    metavar=f"[{'|'.join(ALGORITHMS)}]",
    help="What the key signs with.",
)
@click.option("--bits", type=click.IntRange(2048, 8192), help="Size of an RSA key.  [default: 2048]")
@click.option("--kid", help="Key id.  [default: the key's RFC 7638 thumbprint]")
@click.option("--pem", is_flag=True, help="Write the private key as PKCS#8 PEM instead of a JWK.")
@click.option(
    "--out",
    type=click.Path(readable=False),
    metavar="FILE",
    help="Where to write the private key; never over a file that exists.  [default: private-key.jwk or .pem]",
)
def command(algorithm: str, bits: int | None, kid: str | None, out: str | None, *, pem: bool) -> None:
    """Make a key pair.

    The private key goes into a file that only you can read, the public JWK to stdout, ready to paste into the identity
    provider.
    """
    import json  # noqa: PLC0415 - every command must start fast
    from pathlib import Path  # noqa: PLC0415 - as above

    from broker.keys.generate import generate  # noqa: PLC0415 - as above
    from broker.keys.private import is_kid  # noqa: PLC0415 - as above

    if bits is not None and not algorithm.startswith(("RS", "PS")):
        raise click.BadParameter(f"{algorithm} keys have one size; leave it out.", param_hint="--bits")
    if bits is not None and bits % 8:
        raise click.BadParameter("must be a multiple of 8.", param_hint="--bits")
    if kid is not None and not is_kid(kid):
        raise click.BadParameter("must be one line of at most 255 printable characters.", param_hint="--kid")
    file = Path(out or ("private-key.pem" if pem else "private-key.jwk"))
    pair = generate(algorithm, bits=bits or 2048, kid=kid)
    _write_new(file, pair.private_pem if pem else json.dumps(pair.private_jwk, indent=2) + "\n")
    try:
        click.echo(json.dumps(pair.public_jwk, indent=2))
    except OSError:  # a private key whose public half nobody has seen is of no use
        file.unlink()
        raise
    click.echo(_next_steps(file, pair, pem=pem), err=True)


def _write_new(file: "Path", text: str) -> None:
    from broker.files.new_files import write_new  # noqa: PLC0415 - every command must start fast

    try:
        write_new(file, text.encode("ascii"), mode=0o600, durable=True)
    except FileExistsError:
        raise click.ClickException(
            f"{file} exists and is never overwritten; remove it, or name another file with --out."
        ) from None
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from None


def _next_steps(file: "Path", pair: "KeyPair", *, pem: bool) -> str:
    import json  # noqa: PLC0415 - every command must start fast

    entry = {"file": str(file.absolute())}
    if pem:
        entry["kid"] = pair.public_jwk["kid"]
        if pair.public_jwk["alg"] not in ASSUMED:
            entry["algorithm"] = pair.public_jwk["alg"]
    # Quoted as JSON, which is YAML: a kid may look like a number or hold a comma.
    said = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items())
    return (
        f"\nThe private key is in {file} (mode 0600); keep it secret.\n"
        "Register the public key above with the identity provider, then configure the client with\n"
        f"  private_key: {{{said}}}"
    )
