"""FastAPI routers for other people's apps."""
