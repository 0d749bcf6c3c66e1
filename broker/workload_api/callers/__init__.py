"""Callers: authentication by secret or by Unix socket peer, and authorization per token."""
