"""Doorward: one door between applications and OpenAI.

It holds the keys so that no application does; it routes, limits, meters, caches and rescues
the calls. `docs/life-of-a-request.md` walks one call through the rooms.
"""

__version__ = "0.1.0"
