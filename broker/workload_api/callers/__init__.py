"""Who may ask for which token: callers, known by a secret or by the user behind a Unix socket."""
