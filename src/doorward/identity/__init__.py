"""Who calls: client keys, users, sessions, roles; `credentials` is the one reader."""
