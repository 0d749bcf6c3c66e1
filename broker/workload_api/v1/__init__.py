"""The routes below `/v1`: tokens, proofs, reports of rejected tokens."""
