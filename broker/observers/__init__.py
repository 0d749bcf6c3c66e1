"""They are told what happens and nobody waits for them: the log and the metrics."""
