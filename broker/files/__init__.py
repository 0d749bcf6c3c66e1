"""Small files and secret files: one way to read them, bounded and off the event loop, and one to write a new file."""
