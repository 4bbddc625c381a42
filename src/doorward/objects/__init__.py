"""Which owner and which account a stored object belongs to."""
