"""The request path: route, limit, cache, hold, attempt, meter."""
