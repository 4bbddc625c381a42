"""The typed client library for OpenAI-format APIs; stands alone on core."""
