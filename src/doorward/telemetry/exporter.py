"""Traces and metrics to an OpenTelemetry collector (OTLP over HTTP), from a thread of its own.

Nothing here can delay or fail a call: batches wait in a bounded queue, what a collector does not take in time is dropped
and counted. This module, and OpenTelemetry with it, is imported only when an endpoint is set.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from queue import Full, Queue

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from doorward import __version__
from doorward.telemetry.feed import Seen
from doorward.telemetry.metrics import ModelLabel
from doorward.telemetry.spans import Value, attempt_attributes, operation_of, spans_of

_log = logging.getLogger(__name__)

MOST_BATCHES = 64
TIMEOUT_S = 5.0
"""For one export, its retries included."""
METRICS_EVERY_S = 15.0


class Exporter:
    """A sink of the feed. `endpoint`: the collector's base URL, without `/v1/traces`."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        label_of: ModelLabel,
        service: str = "doorward",
        *,
        metrics_every_s: float = METRICS_EVERY_S,
    ) -> None:
        self.dropped = 0
        """Calls whose spans did not arrive."""
        self._label_of = label_of
        base, sent = endpoint.rstrip("/"), dict(headers)
        self._resource = Resource.create({"service.name": service, "service.version": __version__})
        self._scope = InstrumentationScope("doorward", __version__)
        # the exporter's own words about a collector that is away would fill the log; `dropped` says it
        for name in ("opentelemetry.exporter", "opentelemetry.sdk"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", headers=sent, timeout=TIMEOUT_S)
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(endpoint=f"{base}/v1/metrics", headers=sent, timeout=TIMEOUT_S),
            export_interval_millis=metrics_every_s * 1000,
            export_timeout_millis=TIMEOUT_S * 1000,
        )
        self._provider = MeterProvider(metric_readers=[reader], resource=self._resource, shutdown_on_exit=False)
        meter = self._provider.get_meter("doorward", __version__)
        self._duration = meter.create_histogram("gen_ai.client.operation.duration", "s", "Duration of an upstream call.")
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}", "Tokens of an upstream call.")
        self._batches: Queue[Sequence[Seen] | None] = Queue(MOST_BATCHES)
        self._is_away = False
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
        self._thread.start()

    def saw(self, calls: Sequence[Seen]) -> None:
        try:
            self._batches.put_nowait(calls)
        except Full:
            self.dropped += len(calls)

    def refused(self, endpoint: str, code: str) -> None:
        """Refusals are Prometheus' to count: nothing went upstream, so there is nothing to trace."""

    def close(self, within_s: float = 2.0) -> None:
        """Send what is waiting, for at most so long."""
        try:
            self._batches.put_nowait(None)
        except Full:
            return
        self._thread.join(within_s)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                self._export(batch)
            except Exception:  # noqa: BLE001 - a collector's fault, whatever it is, must not end the thread; it is reported
                self._failed(batch)
        self._spans.shutdown()  # type: ignore[no-untyped-call]  # the library leaves its return type out
        self._provider.shutdown(timeout_millis=TIMEOUT_S * 1000)

    def _export(self, batch: Sequence[Seen]) -> None:
        for seen in batch:
            self._measure(seen)
        spans = [span for seen in batch for span in spans_of(seen, self._resource, self._scope)]
        if not spans or self._spans.export(spans) is SpanExportResult.SUCCESS:
            self._is_away = False
        else:
            self._failed(batch)

    def _failed(self, batch: Sequence[Seen]) -> None:
        """Once for each outage: the collector's address may hold a token, so it is not named."""
        self.dropped += len(batch)
        if not self._is_away:
            self._is_away = True
            _log.warning("the OpenTelemetry collector does not take traces: they are dropped until it does")

    def _measure(self, seen: Seen) -> None:
        call = seen.settled.call
        for attempt in seen.settled.attempts:
            at = attempt_attributes(call, attempt, is_well=attempt.state == "done")
            labels: dict[str, Value] = {}
            for name in ("gen_ai.provider.name", "error.type"):
                if name in at:
                    labels[name] = at[name]
            labels["gen_ai.request.model"] = self._label_of(attempt.provider_id, attempt.model)
            labels["gen_ai.operation.name"] = operation_of(call.endpoint)
            if attempt.ended_ms is not None:
                self._duration.record((attempt.ended_ms - attempt.started_ms) / 1000, labels)
            for kind, tokens in (("input", attempt.input_tokens), ("output", attempt.output_tokens)):
                if tokens:
                    self._tokens.record(tokens, {**labels, "gen_ai.token.type": kind})


def headers_of(text: str) -> dict[str, str]:
    """`OTEL_EXPORTER_OTLP_HEADERS`: `name=value,name=value`. What is not of that shape is passed over."""
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals and name.strip()}
