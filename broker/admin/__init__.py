"""The admin listener: health, metrics, public keys and the status page. It serves no secrets."""
