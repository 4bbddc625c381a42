"""Doorward: one door between applications and OpenAI.

It holds the keys so that no application does; it routes, limits, meters, caches and rescues
the calls. `docs/life-of-a-request.md` walks one call through the rooms.
"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`doorward.proxy_fetch`, without costing those who only want the version."""
    if name != "proxy_fetch":
        raise AttributeError(f"module 'doorward' has no attribute {name!r}")
    import importlib

    return importlib.import_module("doorward.proxy_fetch")
