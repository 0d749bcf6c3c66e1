"""One token request, whole: where to ask, who we are, a fresh assertion, a proof, the POST, the judgement.

`request` is the flow, `form` what is sent beside the assertion, `credential` which key signs it or which file holds it,
`binding` the key that a DPoP token is bound to.
"""

from broker.grant.request import Grant

__all__ = ["Grant"]
