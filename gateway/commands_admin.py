"""`hourglass admin`: administrative commands to a running venue, as JSON lines."""

import json
import socket
import sys
from pathlib import Path
from typing import IO, Any, BinaryIO

import click

from gateway.failures import MISSING, Failure

ANSWER_S_MAX = 30
REFUSED = 1


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("file", type=click.File("rb"))
def admin(directory: Path, file: BinaryIO) -> None:
    """Send the administrative commands in FILE (JSON lines; - for stdin) to the venue that runs on DIRECTORY.

    DIRECTORY is that of its journal. Every command is answered, when it is durable, with the events it caused. One
    that is refused does not stop the run; the exit code is then 1. Only the user who runs the venue may do this.

    \b
    Examples:
      hourglass admin ./journal halts.jsonl
      hourglass admin ./journal - <<'END'
      {"t":"halt","product":"H100-SXM.IB400.cuda12.T1","start":"2026-11-24T14","count":2}
      END
    """  # noqa: D301
    from gateway.admin import SOCKET_NAME

    path, refused = directory / SOCKET_NAME, False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S_MAX)
            connection.connect(str(path))
            stream: Any
            with connection.makefile("rwb") as stream:
                for line in filter(bytes.strip, file):
                    stream.write(line.rstrip(b"\r\n") + b"\n")
                    stream.flush()
                    refused |= not _tell_answer(stream)
    except OSError as error:
        raise Failure(f"no venue answers on {path}: {error}", MISSING) from error
    sys.exit(REFUSED if refused else 0)


def _tell_answer(stream: IO[bytes]) -> bool:
    """Print what a command has caused; False when it was refused. Raises OSError when the venue hangs up."""
    accepted = True
    while (line := stream.readline()).strip():
        sys.stdout.write(line.decode())
        accepted &= json.loads(line)["t"] not in ("error", "reject")
    if not line:
        raise ConnectionResetError("it hung up")
    return accepted
