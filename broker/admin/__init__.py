"""Health, metrics and public keys, for kubelet, Prometheus and people; no secret is served here."""
