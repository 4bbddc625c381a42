"""`/v1/models`: the simulator's own, and the names that are often asked for when any name will do."""

from __future__ import annotations

from doorward.core.errors import UnknownModel
from doorward.simulator.call import Answer, Call, Json, as_json

OWN = (
    "sim-gpt-4o-mini",
    "sim-gpt-4o",
    "sim-text-embedding-3-small",
    "sim-text-embedding-3-large",
    "sim-gpt-image-1",
    "sim-tts-1",
    "sim-whisper-1",
    "sim-omni-moderation-latest",
)
BORN = 1_760_000_000


def list_all(call: Call) -> Answer:
    names = [*OWN, *(name.removeprefix("sim-") for name in OWN)] if call.any_model else OWN
    return as_json({"object": "list", "data": [_shown(name) for name in names]})


def get(call: Call) -> Answer:
    name = call.ids[0]
    if not call.any_model and not name.lower().startswith("sim-"):
        raise UnknownModel(f"The model '{name[:80]}' does not exist in the simulator: its models begin with sim-.", param="model")
    return as_json(_shown(name))


def _shown(name: str) -> Json:
    return {"id": name, "object": "model", "created": BORN, "owned_by": "doorward-simulator"}
