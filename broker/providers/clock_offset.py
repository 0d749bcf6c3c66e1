"""A refusal that does not say why, beside a clock that is off: the offset belongs into cause and fix."""

from msgspec.structs import replace

from broker.core.diagnosis import Diagnosis
from broker.core.errors import RefusalError

SYNCHRONISE = "Synchronise the node's clock (NTP, chrony)"


def is_bare(diagnosis: Diagnosis, error: str) -> bool:
    """Whether the server refused client or assertion without a reason, `error` being its code: it may be the clock.

    For an assertion that is the grant itself the code is invalid_grant (RFC 7523 section 3.1).
    """
    return diagnosis.reason == "client_refused" or (diagnosis.reason == "grant_refused" and error == "invalid_grant")


def with_offset(diagnosis: Diagnosis, refusal: RefusalError) -> Diagnosis:
    """`diagnosis` of `refusal`, with how far the clocks are apart if that may be the reason."""
    offset = refusal.clock_offset
    if offset is None or not is_bare(diagnosis, refusal.error):
        return diagnosis
    seconds = abs(offset)
    amount = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    cause = f"{diagnosis.cause.removesuffix('.')}; this machine's clock is {amount}"
    cause += " behind the server's" if offset > 0 else " ahead of the server's"
    cause += ", which the refused times were corrected for." if refusal.clock_corrected else "."
    if refusal.clock_corrected:
        fix, steps = f"{diagnosis.fix} {SYNCHRONISE} as well.", (*diagnosis.steps, f"{SYNCHRONISE} as well.")
    else:
        fix, steps = f"{SYNCHRONISE} first. {diagnosis.fix}", (f"{SYNCHRONISE} first.", *diagnosis.steps)
    return replace(diagnosis, cause=cause, fix=fix, steps=steps if diagnosis.steps else ())
