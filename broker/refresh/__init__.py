"""Keeps tokens fresh: the loop of one token, when to refresh and retry, forced refresh and its budget."""
