"""Requests to servers: transport, trust, proxies, and the one reader of JSON that servers send."""
