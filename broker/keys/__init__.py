"""Key files that may change under us -> signers.

`files` reads what one entry of `private_keys` names, all of it from one moment; `parse` (with `pem` and `jwk`) makes a
private key of the bytes; `algorithms` says what it signs with; `local` seals it behind the `signer` seam, once it has
proved that it signs; `watch` keeps looking whether the files have changed. `generate` makes new keys.
"""
