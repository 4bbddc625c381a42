"""`/api/v1/*`, a file a noun. It is handed a deposit-only vault: no route can read a key."""
