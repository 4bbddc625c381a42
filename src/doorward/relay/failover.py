"""Attempts, one after another, until one starts. Whether another may follow depends on how the last one ended (R10)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from doorward.core.clock import Clock
from doorward.core.errors import UpstreamCredentialsRefused, UpstreamFailed, UpstreamKeyRefused
from doorward.core.exchange import Exchange, Reply
from doorward.ledger.entry import Attempt, AttemptState, Entry
from doorward.providers.route import Plan, Route
from doorward.relay.answer import Deadline, lost, reply_of
from doorward.relay.attempt import Sender
from doorward.relay.balance import Balance
from doorward.relay.meter import Meter
from doorward.upstream.port import Incoming
