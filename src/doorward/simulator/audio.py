"""`/v1/audio/*`: speech is a tone as long as reading the text would take; transcripts tell what came."""

from __future__ import annotations

import base64
import math
import struct
from array import array
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from doorward.core.errors import BadRequest
from doorward.providers.tokens import count_text
from doorward.simulator import form
from doorward.simulator.call import Answer, Call, Frame, Json, Streamed, Whole, as_json, counted_as, event, invalid, missing, wanted
from doorward.simulator.limits import Cut, cut

RATE_HZ, MAX_CHARS, CHARS_PER_S, MAX_SPEECH_S = 24_000, 4096, 15, 20.0
TOKENS_PER_S = 10
CONTENT_TYPES = {"mp3": b"audio/mpeg", **{name: b"audio/" + name.encode() for name in ("opus", "aac", "flac", "wav", "pcm")}}
_NOTES_HZ = {"alloy": 220, "ash": 196, "ballad": 247, "coral": 262, "echo": 175, "fable": 294, "nova": 330, "onyx": 147}


def speak(call: Call) -> Answer:
    """Every format but `pcm` holds a WAV file: players look at the bytes, and no encoder is in the box."""
    body = call.json()
    model, text, voice = wanted(body, "model", str), wanted(body, "input", str), body.get("voice")
    if not text or len(text) > MAX_CHARS:
        raise invalid("input", f"send 1 to {MAX_CHARS} characters.", "string_above_max_length")
    if voice is None:
        raise missing("voice")
    form_asked = body.get("response_format") or "mp3"
    if form_asked not in CONTENT_TYPES:
        message = f"Invalid 'response_format': one of {', '.join(CONTENT_TYPES)}."
        raise BadRequest(message, param="response_format", code="invalid_value")
    seconds = max(0.2, min(MAX_SPEECH_S, len(text) / CHARS_PER_S))
    samples = tone(_NOTES_HZ.get(voice, 220) if isinstance(voice, str) else 220, seconds)
    data = samples if form_asked == "pcm" else wav(samples)
    tokens_in, tokens_out = count_text(text, counted_as(model)).tokens, max(1, round(seconds * TOKENS_PER_S))
    if body.get("stream_format") == "sse":
        call.streamed = True
        return Streamed(_speech_events(data, tokens_in, tokens_out), tokens_in, end=b"")
    return Whole(data, content_type=CONTENT_TYPES[form_asked], tokens_in=tokens_in, tokens_out=tokens_out)


def transcribe(call: Call) -> Answer:
    return _transcript(call, "transcribe")


def translate(call: Call) -> Answer:
    return _transcript(call, "translate")


def _transcript(call: Call, task: str) -> Answer:
    sent = form.read(call)
    model, upload = sent.text("model"), sent.file("file")
    if not upload.data:
        raise BadRequest("The audio file is empty.", param="file", code="invalid_value")
    form_asked = sent.text("response_format", "json")
    seconds = duration_s(upload.data)
    text = f"This is a simulated {'translation' if task == 'translate' else 'transcript'} of {upload.filename or 'the audio'}. "
    text += f"The recording is {seconds:.1f} seconds long and has {len(upload.data)} bytes."
    if prompt := sent.text("prompt", ""):
        text += f" It is about this: {prompt[:200]}"
    written = cut(text, model)
    tokens_in = max(1, round(seconds * TOKENS_PER_S))
    usage: Json = {"type": "duration", "seconds": math.ceil(seconds)}
    if "whisper" not in model:
        details = {"text_tokens": 0, "audio_tokens": tokens_in}
        usage = {"type": "tokens", "input_tokens": tokens_in, "input_token_details": details}
        usage |= {"output_tokens": written.tokens, "total_tokens": tokens_in + written.tokens}
    if call.streamed and "whisper" not in model:
        return Streamed(_transcript_events(written, usage), tokens_in, end=b"")
    billed: dict[str, Any] = {"tokens_in": tokens_in, "tokens_out": written.tokens}
    match form_asked:
        case "json":
            return as_json({"text": text, "usage": usage}, **billed)
        case "verbose_json":
            shown = {"task": task, "language": "english", "duration": round(seconds, 2), "text": text}
            return as_json({**shown, "segments": _segments(text, seconds), "usage": usage}, **billed)
        case "text":
            return Whole(text.encode() + b"\n", content_type=b"text/plain; charset=utf-8", **billed)
        case "srt":
            return Whole(_subtitles(text, seconds, ","), content_type=b"text/plain; charset=utf-8", **billed)
        case "vtt":
            return Whole(b"WEBVTT\n\n" + _subtitles(text, seconds, "."), content_type=b"text/vtt; charset=utf-8", **billed)
        case _:
            raise invalid("response_format", "json, text, srt, verbose_json or vtt.")


@lru_cache(maxsize=16)
def tone(hertz: int, seconds: float) -> bytes:
    """16-bit mono samples at 24 kHz, as OpenAI's `pcm`."""
    period_samples = RATE_HZ // math.gcd(hertz, RATE_HZ)
    period = array("h", [int(9000 * math.sin(2 * math.pi * hertz * at / RATE_HZ)) for at in range(period_samples)])
    wanted_samples = int(seconds * RATE_HZ)
    samples = period * (wanted_samples // len(period) + 1)
    return struct.pack(f"<{wanted_samples}h", *samples[:wanted_samples])


def wav(samples: bytes) -> bytes:
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE_HZ, RATE_HZ * 2, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVE" + fmt + b"data" + struct.pack("<I", len(samples)) + samples


def duration_s(data: bytes) -> float:
    """From a WAV file's head; of anything else as if it had 16 kB a second."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE" and len(data) >= 44:
        (bytes_per_s,) = struct.unpack("<I", data[28:32])
        if bytes_per_s:
            return max(0.1, float((len(data) - 44) / bytes_per_s))
    return max(0.1, len(data) / 16_000)


def _segments(text: str, seconds: float) -> list[Json]:
    sentences = text.split(". ")
    each = seconds / len(sentences)
    return [
        {
            "id": at, "seek": 0, "start": round(at * each, 2), "end": round((at + 1) * each, 2), "text": sentence, "tokens": [],
            "temperature": 0.0, "avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0,
        }
        for at, sentence in enumerate(sentences)
    ]  # fmt: skip


def _subtitles(text: str, seconds: float, comma: str) -> bytes:
    def stamp(at: float) -> str:
        return f"{int(at // 3600):02}:{int(at // 60) % 60:02}:{int(at) % 60:02}{comma}{int(at * 1000) % 1000:03}"

    lines = [f"{s['id'] + 1}\n{stamp(s['start'])} --> {stamp(s['end'])}\n{s['text']}\n" for s in _segments(text, seconds)]
    return "\n".join(lines).encode()


def _speech_events(data: bytes, tokens_in: int, tokens_out: int) -> Iterator[Frame]:
    size = max(1, -(-len(data) // tokens_out))
    for at in range(0, len(data), size):
        yield event({"type": "speech.audio.delta", "audio": base64.b64encode(data[at : at + size]).decode()}), 1
    usage = {"input_tokens": tokens_in, "output_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    yield event({"type": "speech.audio.done", "usage": usage}), 0


def _transcript_events(written: Cut, usage: Json) -> Iterator[Frame]:
    for piece, tokens in written.pieces:
        yield event({"type": "transcript.text.delta", "delta": piece}), tokens
    yield event({"type": "transcript.text.done", "text": written.text, "usage": usage}), 0
