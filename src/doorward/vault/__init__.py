"""Sealed keys and the one door to them."""
