"""Composition root: builds every part from the settings, runs the loops, answers signals."""
