"""Whether an adapter's call is a call of OpenAI's format, and of which kind: known by the host, or said by `prices`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from doorward.adapters.adapter import METHODS, Adapter
from doorward.providers.catalog import SIMULATOR, Catalog
from doorward.providers.provider import Provider
from doorward.upstream.origin import Place, place_of
from doorward.wire.endpoints import Endpoint, match

TEMPLATE = "/v1/apis/http/{adapter}"
"""How every adapter's call is named in the book; the path below it may hold anything, and is not kept."""
UNPRICED = Endpoint(TEMPLATE, METHODS, "unknown", kind="adapter")
FREE = Endpoint(TEMPLATE, METHODS, "free", kind="adapter")


@dataclass(frozen=True, slots=True)
class Metering:
    endpoint: Endpoint
    provider: Provider
    """Stands for the adapter in the call's route; its `prices` name the list that applies."""
    api_path: str | None
    """The path as OpenAI's API has it, `/v1/chat/completions`; `None`: not of that format."""

    @property
    def reads_body(self) -> bool:
        """Model, stream and limits stand in the body, and money depends on them."""
        return self.api_path is not None and self.endpoint.bills != "free"


class Meterings:
    """`now` is the catalogue's snapshot. What depends on it alone is kept until it changes."""

    def __init__(self, now: Callable[[], Catalog]) -> None:
        self._now = now
        self._snapshot: Catalog | None = None
        self._places: dict[tuple[str, str, int], tuple[Provider, Place]] = {}

    def of(self, adapter: Adapter, method: str, target: bytes) -> Metering:
        """`target` is the upstream's path with its query."""
        own = Provider(f"adapter:{adapter.name}", adapter.name, "", "none", "none", prices=adapter.prices)
        if adapter.prices == "free":
            return Metering(FREE, own, None)
        found = self._known(adapter)
        if found is None:
            return Metering(UNPRICED, own, None)
        provider, base_path = found
        path = target.partition(b"?")[0]
        if not path.startswith(base_path):
            return Metering(UNPRICED, own, None)
        # OpenAI's own base URL ends in /v1, and many adapters' do; the path is compared whole
        api_path = path[len(base_path) :].decode("ascii")
        endpoint = match(method, api_path).endpoint
        if endpoint is None or endpoint.bills == "unknown":
            return Metering(UNPRICED, own, None)
        priced = replace(own, prices=provider.prices or provider.id)
        return Metering(replace(endpoint, template=TEMPLATE), priced, api_path)

    def _known(self, adapter: Adapter) -> tuple[Provider, bytes] | None:
        """The provider whose host the adapter's is, with the path before `/v1` there."""
        snapshot = self._now()
        if snapshot is not self._snapshot:
            self._places = _places(snapshot)
            self._snapshot = snapshot
        url = adapter.base_url
        found = self._places.get((url.scheme, url.host, url.port))
        if adapter.prices is not None:
            priced = snapshot.providers.get(adapter.prices) or Provider(adapter.prices, adapter.prices, "")
            return priced, found[1].base_path if found else url.path.removesuffix(b"/v1")
        return (found[0], found[1].base_path) if found else None


def _places(snapshot: Catalog) -> dict[tuple[str, str, int], tuple[Provider, Place]]:
    places: dict[tuple[str, str, int], tuple[Provider, Place]] = {}
    for provider in snapshot.providers.values():
        try:
            place = place_of(provider)
        except ValueError:
            continue  # a row that other hands wrote: the relay says so when it is called
        if provider.id != SIMULATOR:
            places.setdefault((place.origin.scheme, place.origin.host.lower(), place.origin.port), (provider, place))
    return places
