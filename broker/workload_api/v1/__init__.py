"""The routes below `/v1`: tokens, proofs and reports of rejected tokens."""
