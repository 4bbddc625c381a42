"""The app endpoints: over the same store, and over the same relay with the apps' own patience."""

from __future__ import annotations

from dataclasses import dataclass, replace

from doorward.apps.adapter_calls import AdapterCalls
from doorward.apps.apps import Apps
from doorward.apps.ask import Ask, AskOf
from doorward.apps.defaults import Defaults
from doorward.apps.guards import Guards
from doorward.apps.mcp import McpServer
from doorward.apps.pipeline_ask import PipelineAsk
from doorward.apps.tool import tool_named
from doorward.assembly.ground import Ground
from doorward.assembly.running import Running
from doorward.assembly.traffic import Traffic
from doorward.core.caller import Caller
from doorward.core.clock import Clock
from doorward.core.exchange import Gone
from doorward.core.secret import Secret
from doorward.identity.credentials import Credentials
from doorward.identity.custody import no_account
from doorward.providers.route import TimeLimits
from doorward.relay.metering import Meterings
from doorward.relay.router import Router
from doorward.settings import Settings
from doorward.upstream.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class AppsRoom:
    apps: Apps
    ask_of: AskOf

    def work(self, settings: Settings, clock: Clock, ground: Ground, credentials: Credentials, running: Running) -> None:
        """Take up jobs, also those that an earlier process left."""

        def ask_for_job(caller: Caller, name: str) -> Ask:
            return self.ask_of(caller, name, "", Gone(), b"job")

        running.keep(self.apps.jobs.run(ask_for_job, credentials.still_valid, _webhook(settings, clock, ground)), "jobs")


def open_apps(settings: Settings, clock: Clock, ground: Ground, traffic: Traffic, running: Running) -> AppsRoom:
    """Raises `BadRequest` for a tool or an MCP server that cannot be what the settings say."""
    s = settings
    limits = TimeLimits(s.connect_s, s.first_event_apps_s, s.first_event_apps_s, s.idle_s, s.total_s)
    router = Router(ground.catalogue.now, lambda caller: no_account(s.custody, caller), limits)
    pipeline = replace(traffic.pipeline, router=router)

    fetches = AdapterCalls(traffic.adapters, traffic.proxy, Meterings(ground.catalogue.now), s.custody)

    def ask_of(caller: Caller, request_id: str, peer: str, gone: Gone, tags: bytes) -> Ask:
        return PipelineAsk(pipeline, traffic.budgets.prices, caller, request_id, clock, peer, gone, tags, fetches)

    private = s.allow_private_upstreams
    servers = [McpServer.of(name, given, ground.transport, allow_private=private) for name, given in s.mcp_servers.items()]
    tools = [tool_named(place) for place in s.agent_tools]
    apps = Apps.over(ground.store, Defaults.of(s), Guards.of(s), clock, tools=tools, servers=servers)
    running.close_later(apps.toolbox.close)
    return AppsRoom(apps, ask_of)


def _webhook(settings: Settings, clock: Clock, ground: Ground) -> Webhooks | None:
    if settings.job_webhook_url is None:
        return None
    given = settings.job_webhook_secret
    secret = Secret(given.get_secret_value() if given is not None else "")
    private = settings.allow_private_upstreams
    return Webhooks(ground.transport, settings.job_webhook_url, secret, clock, allow_private=private)
