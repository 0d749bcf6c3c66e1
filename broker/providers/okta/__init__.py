"""Okta: its preset, and its refusals by what they are about."""
