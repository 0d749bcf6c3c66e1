"""Key files that may change under us -> signers.

`files` reads what one entry of `private_keys` names, all of it from one moment; `parse` (with `pem`, `jwk` and
`accounts`) makes a private key of the bytes, `certificate` a thumbprint; `algorithms` says what it signs with; `local`
seals it behind the `signer` seam, once it has proved that it signs. `loading` is these in a row, `fallback` what
becomes of the key before, and `watch` keeps looking whether the files have changed, in threads of `aside`. `generate`
makes new keys, `publish` the set that others know them by.
"""
