"""Ports whose state several processes may share: counters and cache, in memory and in Redis."""
