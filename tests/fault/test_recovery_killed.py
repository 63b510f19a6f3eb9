"""kill -9 of the writing process, again and again on the same journal."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from journal_tools import batch, recovered

HERE = Path(__file__).parent
ROUNDS = 5


def test_nothing_acknowledged_is_lost_by_kill_jrn_016(tmp_path):
    chance = random.Random(1)
    environment = os.environ | {"PYTHONPATH": f"{HERE.parent.parent}:{HERE}"}
    before = 0
    for _ in range(ROUNDS):
        victim = subprocess.Popen(
            [sys.executable, str(HERE / "journal_victim.py"), str(tmp_path)],
            stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        acknowledged = [victim.stdout.readline()]  # It has begun to write.
        time.sleep(chance.uniform(0.0, 0.1))
        victim.kill()
        acknowledged += victim.stdout.read().splitlines()
        victim.wait()
        victim.stdout.close()
        acknowledged_seq = int(next(line for line in reversed(acknowledged) if line.strip()))
        batches, _ = recovered(tmp_path)
        next_seq = 1
        for first_seq, _, count, body in batches:
            assert first_seq == next_seq
            assert body == batch(first_seq, count)
            next_seq += count
        assert next_seq > acknowledged_seq > before
        before = acknowledged_seq
