"""One entry of `private_keys` -> a signer that has proved to sign, or the reason for refusing it."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from broker.core.errors import KeyFileError
from broker.core.settings import KeySettings
from broker.keys.algorithms import choose
from broker.keys.certificate import Certificate, parse_certificate
from broker.keys.files import Content, Stamp, read, stamp
from broker.keys.local import LocalSigner, seal
from broker.keys.parse import parse
from broker.keys.private import PrivateKey, UnusableError

UNFORESEEN = "cannot be used: it is damaged in a way that was not foreseen; make or export it again"


class Found(Struct, frozen=True, kw_only=True):
    """The result of a read: a signer or a refusal; neither when `digest` is known to be refused."""

    stamp: Stamp
    digest: bytes | None = None
    signer: LocalSigner | None = None
    refusal: str | None = None


class Loader(Struct, frozen=True, kw_only=True):
    """Loads the key files of one client."""

    provider: str
    algorithms: Sequence[str]
    """The algorithms that `provider` accepts, in order of preference; empty means any."""
    client_id: str | None
    """Must equal the client that a key file names, if it names one; `None` skips the check."""

    def find(self, settings: KeySettings, known: Mapping[bytes | None, LocalSigner | None]) -> Found:
        """Read and parse one entry and make a trial signature, unless the content's digest is in `known`.

        Blocks: call it off the event loop. Decrypting a key holds the GIL, about 100 ms for a million rounds, once
        for each new content.
        """
        looks = stamp(settings)
        digest = None
        try:
            content = read(settings)
            digest = content.digest
            signer = known[digest] if digest in known else self._signer(settings, content)
        except KeyFileError as error:
            return Found(stamp=looks, digest=digest, refusal=str(error))
        except UnusableError as error:
            return Found(stamp=looks, digest=digest, refusal=f"{settings.file} {error}")
        except BaseException as error:
            # A bad file must never cost the key in use, and a Rust panic is not an Exception. The error's text is
            # dropped because it may quote the file.
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return Found(stamp=looks, digest=digest, refusal=f"{settings.file} {UNFORESEEN}")
        return Found(stamp=looks, digest=digest, signer=signer)

    def _signer(self, settings: KeySettings, content: Content) -> LocalSigner:
        key = parse(content.key, kid=content.kid, passphrase=content.passphrase)
        if None not in (key.kid, content.kid) and key.kid != content.kid:
            source = "configured kid" if settings.kid_file is None else f"key id in {settings.kid_file}"
            raise UnusableError(f"says its kid is {key.kid!r}, which is not the {source}; correct one or drop it")
        if self.client_id is not None and key.holder and key.holder.name != self.client_id:
            raise UnusableError(
                f"is the key of {key.holder.name!r} (its member {key.holder.member}), but client_id is"
                f" {self.client_id!r}; correct client_id, or name the right file"
            )
        algorithm = choose(key, configured=settings.algorithm, allowed=self.algorithms, provider=self.provider)
        certificate = None
        if content.certificate is not None:
            certificate = _certificate(settings, content.certificate, key)
        return seal(key, algorithm=algorithm, kid=content.kid or key.kid, certificate=certificate)


def _certificate(settings: KeySettings, content: bytes, key: PrivateKey) -> Certificate:
    try:
        return parse_certificate(content, key.public, key_file=settings.file)
    except UnusableError as error:
        raise KeyFileError(f"{settings.certificate_file} {error}") from None
