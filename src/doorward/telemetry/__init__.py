"""Logs, metrics, traces: what operators see. Never content, never a secret."""
