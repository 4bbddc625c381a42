"""Every table, on one `metadata`. A room's tables stand in a file of their own; the import below makes them known.

doors: providers, accounts, sealed keys, client keys, objects, aliases, routes · identity: users, sessions ·
money: the book · budgets: caps, leases, alerts, prices · traffic: limits by route · apps: conversations, collections
"""

from doorward.store.tables import apps, budgets, doors, identity, money, traffic
from doorward.store.tables.columns import metadata

__all__ = ["apps", "budgets", "doors", "identity", "metadata", "money", "traffic"]
