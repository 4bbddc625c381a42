"""The book, budgets and leases."""
