"""Calling out: the transport port and its client, credentials, classification, health."""
