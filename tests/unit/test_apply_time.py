"""Time in `hourglass apply`: there is no clock, only `time` commands."""

from exchange.engine import Engine
from exchange.reference import ReferenceCore
from gateway.commands_apply import run_lines

LINES = b"""\
{"t":"add_product","product":"P","lot_scu":1,"tick_micros":1,"fabrics":["f"],"gate_lead_s":0}
{"t":"add_account","account":"ann"}
{"t":"list_window","product":"P","start":14}
{"t":"place","account":"ann","ref":1,"product":"P","fabric":"f","start":14,"side":"buy","px":5,"qty":2,"tif":"GTD","expire_ts_ns":1}
{"t":"place","account":"ann","ref":2,"product":"P","fabric":"f","start":14,"side":"buy","px":5,"qty":2,"tif":"GTD","expire_ts_ns":9}
{"t":"time","ts_ns":8}
{"t":"place","account":"ann","ref":3,"product":"P","fabric":"f","start":14,"side":"buy","px":5,"qty":2,"tif":"GTD","expire_ts_ns":8}
{"t":"time","ts_ns":9}
"""


def test_time_stands_at_zero_until_a_time_command_jsl_011():
    engine = Engine(ReferenceCore())
    lines = LINES.splitlines(keepends=True)
    first = [line["t"] for line in run_lines(engine, lines[:5])]
    assert (engine.now_ns, first[-4:]) == (0, ["ack", "level", "ack", "level"])
    told = [line for line in run_lines(engine, lines[5:]) if line["t"] in ("done", "reject")]
    assert engine.now_ns == 9
    assert [(line["t"], line["ref"], line["reason"]) for line in told] == [
        ("done", 1, "expired"), ("reject", 3, "DEADLINE"), ("done", 2, "expired"),
    ]  # fmt: skip
