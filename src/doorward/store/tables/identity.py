"""Users, their ways in, sessions."""
