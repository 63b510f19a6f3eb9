"""The domain: a deterministic state machine over records, without clock, chance, files or sockets."""
