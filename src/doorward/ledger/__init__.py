"""What calls cost, written so that nothing is lost.

entry: one call's page, open while it lives · journal: append-only files that survive the process · book: rows moved
into the database in batches · settlement: an entry at its end -> rows · replay: what dead processes left ·
reports: sums by key, user, model, tag, day · budgets, holds, leases: money promised before it is spent
"""
