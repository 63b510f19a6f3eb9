"""What the tests of a killed venue share: the venue as a process, and what its journal says happened."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from waiting import says_something

from exchange.engine import Engine
from exchange.records import EVENT, EventFlag, EventType
from exchange.replay import replay
from exchange.units import HOUR_NS
from gateway.auth import KeyStore, generate_key
from gateway.journal.reader import Reader

ROOT = Path(__file__).parent.parent.parent
START_S_MAX = 20
HOURS_AHEAD = 48  # No gate closes while a test runs.


def environment(*directories):
    """The environment of a process that imports the venue, and what else is in some directories."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, *directories)))}


class Grounds:
    """A directory with all that a venue needs, kept over its deaths: journal, key file and setup file."""

    def __init__(self, directory, accounts, now_ns):
        self.journal = directory / "journal"
        self.key = {account: generate_key(account) for account in accounts}
        self._keys = directory / "keys.json"
        self._setup = directory / "setup.jsonl"
        KeyStore(self.key.values()).save(self._keys)
        lines = ['{"t":"add_product","product":"H100","lot_scu":8,"tick_micros":1000,"fabrics":["f1","f2"]}']
        lines += [f'{{"t":"add_account","account":"{account}"}}' for account in accounts]
        lines += [f'{{"t":"list_window","product":"H100","start":{now_ns // HOUR_NS + HOURS_AHEAD}}}']
        self._setup.write_text("\n".join(lines) + "\n")

    def spawn(self, port=0, *more):
        """Start `hourglass serve`, and do not wait for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "serve", "--journal", str(self.journal), "--port", str(port),
             "--keys", str(self._keys), "--setup", str(self._setup), *more],
            cwd=ROOT, env=environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def replayed(self, core=None):
        """Replay the journal from its first command: the engine, and all events as one array."""
        engine, told = Engine(core), []
        result = replay(engine, Reader(self.journal), tell=lambda first, ts, events, count: told.append(events))
        assert result.mismatch is None
        return engine, np.frombuffer(b"".join(told), dtype=EVENT)


def url_of(process):
    """Wait for the banner of a venue that starts; the address of its WebSocket."""
    banner = process.stdout.readline() if says_something(process.stdout, START_S_MAX) else ""
    while "was moved to" in banner:  # What the kill left half written: told, and not an error.
        banner = process.stdout.readline()
    served = re.match(r"hourglass serves http://(\S+) from ", banner)
    assert served, f"the venue must start again, said {banner!r}"
    return f"ws://{served[1]}/ws/v1"


def kill(process):
    """End a process as a loss of power to it alone would."""
    process.kill()
    process.wait()
    process.stdout.close()


def executions(events, numbers):
    """Every first ACK of a ref, as {(account, lane, ref): oid}; a ref executed twice is refused at once."""
    accepted = events[(events["type"] == EventType.ACK) & (events["ref"] > 0)]
    first_given = accepted[(accepted["flags"] & EventFlag.DUPLICATE) == 0]
    name = {number: account for account, number in numbers.items()}
    found = {}
    for event in first_given:
        key = (name[int(event["account"])], int(event["lane"]), int(event["ref"]))
        assert key not in found, f"{key} must be executed once, was executed again"
        found[key] = int(event["oid"])
    return found
