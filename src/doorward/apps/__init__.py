"""Ready-made endpoints over a model: each a small function that asks through one port.

ask: the port (the relay in-process, or the official SDK) · chat, history, prompts · slices, summarize · classify ·
vectors, collections, search · tool, mcp, agent · jobs · routes: the same as FastAPI endpoints, mounted by `edge` and `routers`
"""
