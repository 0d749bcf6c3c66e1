"""The workload API: serves the current tokens to the processes beside the broker."""
