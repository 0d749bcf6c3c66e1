"""The OAuth client: one token request, from the form to the judged reply.

`token_request` is the flow; `form` has the fields beside the assertion, `key_selection` picks the key that signs it or
reads the file that holds it, `assertion` and `dpop` make the JWTs, `dpop_binding` keeps the key that DPoP tokens are
bound to. `discovery` finds the token endpoint, `reply` judges the answer, `server_clock` measures the server's clock.
"""

from broker.oauth.token_request import Grant

__all__ = ["Grant"]
