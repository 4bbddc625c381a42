"""What was used and what it cost: entry, journal, book, budgets, reports."""
