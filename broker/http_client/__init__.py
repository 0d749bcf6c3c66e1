"""Outgoing HTTP: transport, TLS trust, proxies, and the reader of JSON from servers."""
