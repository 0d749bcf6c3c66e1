"""The workload API: hands the tokens that wait in the store to the processes beside the broker."""
