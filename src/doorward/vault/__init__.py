"""Sealed keys and the one door to them.

seal: envelopes, master keys · vault: put, use, the deposit-only face · opening: the right master key at start ·
rotation: another master key · no_dumps: memory stays in memory
"""
