"""A real stock's order flow as commands: one message of a LOBSTER file at a time."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ADD, REDUCE, DELETE, EXECUTE = 1, 2, 3, 4
TICK_TEN_THOUSANDTHS = 100  # A tick of one cent; the file's prices are in ten-thousandths of a dollar.


class TapeError(ValueError):
    """A file that is not a LOBSTER message file; the message names file and line."""


class Message(NamedTuple):
    """One message: what happened to the resting order `order_id`."""

    time_s: float
    kind: int
    order_id: int
    lots: int
    ticks: int
    is_buy: bool


def read_tape(path: Path) -> Iterator[Message]:
    """Yield the messages on visible orders; hidden executions, crosses and halts are passed over.

    Raises:
        TapeError: a line does not have the six columns, or the file cannot be read.

    """
    number = 0
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            for row in csv.reader(file):
                number += 1
                time_s, kind, order_id, lots, price, direction = row[:6]
                if int(kind) in (ADD, REDUCE, DELETE, EXECUTE):
                    ticks = int(price) // TICK_TEN_THOUSANDTHS
                    yield Message(float(time_s), int(kind), int(order_id), int(lots), ticks, int(direction) == 1)
    except (ValueError, csv.Error) as error:
        raise TapeError(f"{path} line {max(number, 1)} must have six numbers: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise TapeError(f"{path} cannot be read behind line {number}: {error}") from error
