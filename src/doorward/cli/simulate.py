"""`doorward simulate`: the simulator alone, as an upstream on a port of its own."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

from doorward.cli import given
from doorward.cli.outcome import Failure
from doorward.cli.terminal import Terminal, compact, write
from doorward.cli.tree import Verb, verb
from doorward.simulator.faults import Behaviour, parse_fault
from doorward.simulator.serve import run

app = verb()


@app.command(cls=Verb)
def simulate(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="Port; 0 takes a free one.", min=0, max=65535)] = 9100,
    latency_ms: Annotated[float, typer.Option(metavar="N", help="Milliseconds before an answer's first byte.", min=0)] = 0.0,
    tokens_per_s: Annotated[float | None, typer.Option(metavar="N", help="Speed of streams.", min=0.001)] = None,
    fault: Annotated[
        list[str] | None, typer.Option(metavar="SPEC", help="Misbehave: status=503, retry_after=2, reset, cut=N, …")
    ] = None,
    require_key_stdin: Annotated[bool, typer.Option("--require-key-stdin", help="Refuse every other key than this one.")] = False,
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="A JSON line a request: model, auth ok, aborted at.")] = None,
) -> None:
    """Run the simulator alone. It answers as OpenAI would, at no cost.

    \b
    doorward simulate --port 9100
    doorward simulate --latency-ms 200 --tokens-per-s 40 --fault 'status=503*2'
    """
    terminal = Terminal.of(sys.argv[1:])
    behaviour = Behaviour(latency_ms=latency_ms, tokens_per_s=tokens_per_s, faults=tuple(map(parse_fault, fault or ())))
    key = given.secret("key", from_stdin=True, flag="--require-key-stdin") if require_key_stdin else None

    def announce(url: str) -> None:
        if terminal.as_json:
            write(sys.stdout, compact({"url": url, "base_url": f"{url}/v1"}))
        terminal.note(f"Simulator at {url}/v1. Ctrl+C stops.")

    try:
        run(host, port, behaviour, log, key, announce)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise Failure(
            f"port {port} is in use",
            why=f"another program listens on {host}:{port}",
            fix=f"stop it, or run  doorward simulate --port {port + 1}",
            code="port_in_use",
        ) from error
