"""An ssh server for tests, in a process of its own: each login has start-up files of its own.

``python ssh_server.py FILE``: FILE holds, in JSON, what the shell of each login does first. Says
its port; ends with its standard input. Every key is let in.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncssh


class Server(asyncssh.SSHServer):
    """Lets everyone in."""

    def begin_auth(self, username: str) -> bool:
        """Ask for nothing."""
        return False


async def serve(first: dict[str, str]) -> None:
    """Serve until the standard input ends."""

    async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
        before = first[process.get_extra_info("username")]
        shell = await asyncio.create_subprocess_exec(
            *("/bin/bash", "-c", f"{before}{process.command or 'cat'}"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        await process.redirect(shell.stdin, shell.stdout, shell.stderr)
        ends = [asyncio.ensure_future(end) for end in (shell.wait(), process.wait_closed())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if shell.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
        process.exit(await shell.wait())

    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Server, server_host_keys=[key],
        process_factory=handle, sftp_factory=None, encoding=None,
    )  # fmt: skip
    print(server.get_port(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # whatever start-up files have left running


if __name__ == "__main__":
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))
