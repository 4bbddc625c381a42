"""Ground floor, no I/O: errors, secrets, money, time, and what comes in and goes back."""
