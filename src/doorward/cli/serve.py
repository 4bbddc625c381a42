"""`doorward serve`: the gateway, and what its first start says."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from doorward import __version__
from doorward.app import App, run
from doorward.cli import config
from doorward.cli.outcome import WRONG_USE, Failure
from doorward.cli.terminal import STARTED_S, Terminal, compact, write
from doorward.cli.tree import Verb, verb
from doorward.edge.server import CannotListen, PortInUse, Unusable
from doorward.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")

app = verb()


@app.command(cls=Verb)
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", metavar="ADDRESS", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", metavar="N", show_default="8080")] = None,
    config_file: Annotated[Path | None, typer.Option("--config", help="YAML file: settings, adapters.", metavar="FILE")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.", metavar="FILE")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's private key, PEM.", metavar="FILE")] = None,
) -> None:
    """Run the gateway.

    \b
    doorward serve
    doorward serve --host 0.0.0.0 --port 8443 --tls-cert chain.pem --tls-key key.pem
    """
    terminal = Terminal.of(sys.argv[1:])
    settings = config.read(host=host, port=port, config=config_file)
    _require_both(tls_cert, tls_key)
    is_new = not settings.data_dir.exists()

    def ready(served: App, at_port: int) -> None:
        url = f"{'https' if tls_cert else 'http'}://{_spoken(settings.host)}:{at_port}"
        if terminal.as_json:
            write(sys.stdout, compact({"url": url, "api": f"{url}/v1", "custody": settings.custody, "version": __version__}))
            return
        for line in _greeting(settings, served, url, is_new=is_new):
            terminal.note(line)
        if settings.host not in LOOPBACK and tls_cert is None:
            terminal.warn(f"keys and passwords travel in clear on {settings.host}:{at_port}. Put TLS in front.")
        terminal.note(f"Ready in {time.monotonic() - STARTED_S:.1f} s. Ctrl+C stops.")

    try:
        run(settings, tls_cert, tls_key, ready)
    except CannotListen as error:
        raise _not_listening(error) from error


def _greeting(settings: Settings, served: App, url: str, *, is_new: bool) -> list[str]:
    """The first start says where everything is; later ones say what changes: custody, data, pages."""
    lines = [f"Doorward {__version__}   custody {settings.custody}   data {settings.data_dir}{' (new)' if is_new else ''}"]
    facts = served.facts
    if facts.setup_token is not None:
        lines.append("  Finish the set-up (works once, for 30 minutes):")
        lines.append(f"  {url}/setup#{facts.setup_token}")
    if facts.master_key_created:
        lines.append(f"  Master key   {facts.master_key_path} (new, 0600). Back it up: without it stored keys are lost.")
    if facts.openai_from_env:
        lines.append('  OpenAI key   from OPENAI_API_KEY, now operator account "env".')
    elif not facts.openai_configured:
        lines.append("  OpenAI key   none yet. Models sim-* answer without one.")
    if facts.resting_keys is not None:
        lines.append(f"  Keys         {facts.resting_keys}")
    lines.append(f"  Pages        {url}      API  {url}/v1")
    return lines


def _spoken(host: str) -> str:
    """The address as people open it: `localhost` for loopback, because passkeys refuse IP addresses."""
    if host in (*LOOPBACK, "0.0.0.0", "::"):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _require_both(tls_cert: Path | None, tls_key: Path | None) -> None:
    if (tls_cert is None) != (tls_key is None):
        raise Failure(
            "TLS needs a certificate and its key",
            why=f"Only {'--tls-cert' if tls_cert else '--tls-key'} was given.",
            fix="add the other one",
            code="wrong_use",
            exit_code=WRONG_USE,
        )
    for path in (tls_cert, tls_key):
        if path is not None and not path.is_file():
            raise Failure(
                f"{path} is no file",
                why="TLS reads its certificate and key from PEM files.",
                fix="give the path of a PEM file",
                code="no_file",
                exit_code=WRONG_USE,
            )


def _not_listening(error: CannotListen) -> Failure:
    if isinstance(error, PortInUse):
        return Failure(
            f"port {error.port} is in use",
            why=f"another program listens on {error.host}:{error.port}",
            fix=f"stop it, or run  doorward serve --port {error.port + 1}",
            code="port_in_use",
        )
    what, _, rest = error.message.rstrip(".").partition(": ")
    if isinstance(error, Unusable):
        return Failure(what, rest or "TLS cannot be set up with it", "give PEM files that belong together", "wrong_tls", WRONG_USE)
    fix = "use an address of this machine, or 127.0.0.1 for this machine only; ports under 1024 need rights"
    return Failure(what, rest or "the system refused the address", fix, "cannot_listen", WRONG_USE)
