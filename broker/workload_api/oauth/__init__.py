"""An OAuth 2.0 token endpoint on loopback (RFC 6749 section 3.2)."""
