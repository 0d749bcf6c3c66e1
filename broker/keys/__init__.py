"""Key files, re-read when they change -> signers.

`files` reads a consistent snapshot of the files that one entry of `private_keys` names. `parse` (with `pem`, `jwk` and
`accounts`) turns the bytes into a private key, `certificate` computes a certificate's thumbprint, and `algorithms`
chooses the JWS algorithm. `local` proves that the key signs and hides it behind the `signer` seam. `loading` runs these
steps in order, `rotation` keeps the previous key as a fallback, and `watch` polls the files in the threads of
`daemon_threads`. `generate` creates keys; `publish` builds the JWKS to register with a server.
"""
