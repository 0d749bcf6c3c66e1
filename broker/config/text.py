"""Checks on every string in a configuration."""

MAX_TEXT = 8192


def fault(text: str) -> str | None:
    """What is wrong with `text`, as the end of a sentence. It is never repeated there: it may be a secret."""
    if not text:
        return "is empty; leave the key out, or write a value"
    if len(text) > MAX_TEXT:
        return f"is longer than {MAX_TEXT} characters"
    # A line break would end a header early; other invisible characters make different values look the same.
    if odd := next((character for character in text if not character.isprintable()), None):
        return f"holds a character that cannot be seen, U+{ord(odd):04X}; take it out"
    if text != text.strip():
        return "begins or ends with a space; take it out"
    return None
