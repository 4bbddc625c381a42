"""What operators see of calls: logs, metrics, traces. No content, no keys, no users.

feed: settled calls on their way to whoever shows them, off the hot path · call_log: one JSON line a call · metrics:
Prometheus' numbers · trace_context: W3C trace context, in and out · traces, exporter: OpenTelemetry, only where an
endpoint is set · logs: everything else that is logged
"""
