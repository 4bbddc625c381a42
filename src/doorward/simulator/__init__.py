"""The OpenAI-compatible upstream in the box: deterministic, with latency and faults by setting."""
