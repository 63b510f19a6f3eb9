"""An exchange as others meet it: `hourglass serve`, a process of its own with a port, a journal and keys in a file."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from waiting import says_something

from exchange.units import HOUR_NS
from gateway.auth import KeyStore, generate_key

ROOT = Path(__file__).parent.parent.parent
START_S_MAX = 30
STOP_S_MAX = 10
HOURS_AHEAD = 48  # No gate closes while a test runs.
PRODUCT = "H100-SXM.IB400.cuda12.T1"
FABRIC = "use1-f03"
WINDOWS = 2
TICK_MICROS, LOT_SCU, TAKER_FEE_PPM = 1_000, 8, 200
RATE_MICROS = 1_000_000  # What one lot held needs.
MONEY = {"ann": 1_000_000_000, "bob": 1_000_000_000, "poor": 5 * RATE_MICROS}  # By account, micro-dollars.
LIMITS = {"failed_logins_max": 100, "burst_orders": 2_000, "orders_per_s": 1_000}


def setup_lines(window):
    """The administrative lines of a venue with one product in one fabric, and an account that has hardly any money."""
    rates = {"product": PRODUCT, "start": window, "count": WINDOWS}
    yield {
        "t": "add_product", "product": PRODUCT, "lot_scu": LOT_SCU, "tick_micros": TICK_MICROS, "fabrics": [FABRIC],
        "taker_fee_ppm": TAKER_FEE_PPM,
    }  # fmt: skip
    for account, micros in MONEY.items():
        yield {"t": "add_account", "account": account, "margined": True}
        yield {"t": "deposit", "account": account, "micros": micros}
    yield {"t": "list_window", "product": PRODUCT, "start": window, "count": WINDOWS}
    yield {"t": "set_rates", **rates, "long_micros": RATE_MICROS, "short_micros": RATE_MICROS}


class ExchangeProcess:
    """One venue and its process; `stop` and `start` again keep journal and port."""

    def __init__(self, directory, **limits):
        self.key = {account: generate_key(account) for account in MONEY}
        self.watcher = generate_key("ann", ("read",))
        self.port = 0
        self._journal, self._config = directory / "journal", directory / "venue.toml"
        keys, setup = directory / "keys.json", directory / "setup.jsonl"
        KeyStore([*self.key.values(), self.watcher]).save(keys)
        lines = setup_lines(time.time_ns() // HOUR_NS + HOURS_AHEAD)
        setup.write_text("".join(json.dumps(line) + "\n" for line in lines))
        rows = "".join(f"{name} = {value}\n" for name, value in (LIMITS | limits).items())
        self._config.write_text(f'keys = "{keys}"\nsetup = "{setup}"\n[limits]\n{rows}')
        self._process = None

    @property
    def http(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self):
        return f"ws://127.0.0.1:{self.port}/ws/v1"

    def start(self):
        """Start the process, and wait until it serves."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "serve", "--config", str(self._config),
             "--journal", str(self._journal), "--port", str(self.port)],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        banner = self._process.stdout.readline() if says_something(self._process.stdout, START_S_MAX) else ""
        served = re.match(r"hourglass serves http://127\.0\.0\.1:(\d+) from ", banner)
        assert served, f"the venue must start, said {banner!r}"
        self.port = int(served[1])

    def stop(self):
        """Stop the process in order; its sessions are told."""
        self._process.terminate()
        self._process.wait(STOP_S_MAX)
        self._process.stdout.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
