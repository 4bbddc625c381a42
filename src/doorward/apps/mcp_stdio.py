"""An MCP server as a process: JSON-RPC, a message a line, on its standard input and output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from doorward.apps.mcp_line import ANSWER_S, MOST_BYTES, McpFailed, result_of

CLEAN_PATH = "/usr/local/bin:/usr/bin:/bin"
END_S = 2.0
"""How long a process may take to end by itself when its input closes."""


class StdioLine:
    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._command = list(command)
        # Nothing of ours: a key in our environment is none of a tool's business.
        self._env = {"PATH": CLEAN_PATH, "LANG": "C.UTF-8", **env}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._opening = asyncio.Lock()

    async def open(self) -> bool:
        async with self._opening:
            if self._process is not None and self._reading is not None and not self._reading.done():
                return False
            await self.close()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    env=self._env,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    limit=MOST_BYTES,
                    start_new_session=True,
                )
            except OSError as error:
                raise McpFailed(f"The MCP server could not be started: {error.strerror}.") from error
            self._reading = asyncio.create_task(self._read(self._process), name="mcp server")
            return True

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self._write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            async with asyncio.timeout(ANSWER_S):
                return result_of(await answer)
        except TimeoutError:
            raise McpFailed("The MCP server does not answer.") from None
        finally:
            self._waiting.pop(number, None)

    async def notify(self, method: str) -> None:
        await self._write({"jsonrpc": "2.0", "method": method})

    async def close(self) -> None:
        process, self._process = self._process, None
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _write(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None or self._reading is None or self._reading.done():
            raise McpFailed("The MCP server has died.")
        try:
            process.stdin.write(msgspec.json.encode(message) + b"\n")
            await process.stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise McpFailed("The MCP server has died.") from error

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                await self._take(line)
        except ValueError:
            pass  # a line over the limit: this server cannot be understood any more
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(McpFailed("The MCP server has died."))

    async def _take(self, line: bytes) -> None:
        try:
            message = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # programs print things
        if not isinstance(message, dict):
            return
        number = message.get("id")
        if "method" in message:
            if number is not None:
                known = message["method"] == "ping"
                said = {"result": {}} if known else {"error": {"code": -32601, "message": "not supported"}}
                await self._write({"jsonrpc": "2.0", "id": number, **said})
            return
        answer = self._waiting.get(number) if isinstance(number, int) else None
        if answer is not None and not answer.done():
            answer.set_result(message)
