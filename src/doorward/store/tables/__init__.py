"""Every table, on one `metadata`. A room's tables stand in a file of their own; the import below makes them known.

doors: providers, accounts, sealed keys, client keys, objects, aliases, routes · identity: users, sessions ·
money: the book, budgets, leases · traffic: limits by route · apps: conversations, collections
"""

from doorward.store.tables import apps, doors, identity, money, traffic
from doorward.store.tables.columns import metadata

__all__ = ["apps", "doors", "identity", "metadata", "money", "traffic"]
