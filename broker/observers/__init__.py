"""Observers of events: the log and the metrics. They never block the code that emits an event."""
