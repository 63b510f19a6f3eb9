"""What the fields of messages are: one kind a name, so that every message, form and document means the same by it."""

import enum
from typing import NamedTuple

from exchange.clearing.house import RUNS_MAX
from exchange.units import AMOUNT_MAX, FABRICS_MAX
from gateway.protocol.numbers import (
    DEADMAN_MS_MAX,
    GRACE_MS_MAX,
    HANDLE_MAX,
    INSTRUMENTS_PER_REQUEST_MAX,
    INTEGER_MAX,
    NAME_BYTES_MAX,
    NONCE_BYTES,
    SIGNATURE_BYTES,
    VALUE_MAX,
)

OPERATIONS_MAX = 64


class Form(enum.Enum):
    """How a field is written."""

    NIL = "nil"
    INTEGER = "integer"
    TEXT = "text"
    BYTES = "bytes"  # In text frames as hexadecimal digits.
    LIST = "list"
    MESSAGES = "messages"  # In text frames objects, each with its name.
    MESSAGE = "message"  # Likewise, one.


class Kind(NamedTuple):
    """What a field must be."""

    form: Form
    doc: str
    low: int = 0  # Of integers, and of what a list consists of.
    high: int = INTEGER_MAX  # Likewise; of texts and bytes the most bytes.
    nullable: bool = False
    row: int = 0  # Of lists: every item is a list of so many integers; 0: the items are integers, or texts.
    most: int = 0  # Of lists: items.
    of_text: bool = False
    default: int | None = 0  # Where an optional field is left out before one that is given.


def integer(doc: str, low: int = 0, high: int = INTEGER_MAX, *, nullable: bool = False) -> Kind:
    """Return the kind of a whole number."""
    return Kind(Form.INTEGER, doc, low, high, nullable, default=None if nullable else 0)


def choice(doc: str, most: int) -> Kind:
    """Return the kind of a small number, one of a list."""
    return Kind(Form.INTEGER, doc, 0, most)


def text(doc: str, most: int = NAME_BYTES_MAX) -> Kind:
    """Return the kind of a name."""
    return Kind(Form.TEXT, doc, high=most)


def of_bytes(doc: str, most: int) -> Kind:
    """Return the kind of a string of bytes."""
    return Kind(Form.BYTES, doc, high=most)


def numbers(
    doc: str, most: int, *, row: int = 0, low: int = 0, high: int = INTEGER_MAX, nullable: bool = False
) -> Kind:
    """Return the kind of a list of integers, or of rows of them."""
    return Kind(Form.LIST, doc, low, high, nullable, row=row, most=most, default=None)


NOTHING = Kind(Form.NIL, "nil", nullable=True, default=None)


def optional(kind: Kind) -> Kind:
    """Return the kind of the same, or nil."""
    return kind._replace(nullable=True, default=None)


SIGNED = -INTEGER_MAX

FIELDS: dict[str, Kind] = {
    "accounts": numbers("numbers of accounts", 1 << 16, high=HANDLE_MAX),
    "account": integer("number of an account", high=HANDLE_MAX),
    "aggressor": choice("0 the buyer came in, 1 the seller, 2 none: of a call", 2),
    "arg": integer("goes with the code", SIGNED),
    "ask_lots": integer("lots of the best asks"),
    "ask_px": integer("best ask, ticks"),
    "ask_qty": integer("lots shown at the best ask"),
    "ask_total": integer("sum of the best asks of all windows, ticks"),
    "asks": numbers("px, qty, px, qty, ..., best first", 1 << 16),
    "available": integer("cash that is not reserved, micro-dollars", SIGNED),
    "band_dynamic_bps": integer("hundredths of a per cent, 0: none"),
    "band_static_bps": integer("hundredths of a per cent, 0: none"),
    "bid_lots": integer("lots of the best bids"),
    "bid_px": integer("best bid, ticks"),
    "bid_qty": integer("lots shown at the best bid"),
    "bid_total": integer("sum of the best bids of all windows, ticks"),
    "bids": numbers("px, qty, px, qty, ..., best first", 1 << 16),
    "cancel": choice("1: end all orders of the lane", 1),
    "case": integer("number of a default, 0: none"),
    "c": integer("last price, ticks"),
    "cash": integer("collateral, micro-dollars", SIGNED),
    "cause": choice("cause of an entry, below", 255),
    "certified": integer("lots that were certified"),
    "changes": numbers("rows of op (0 add, 1 change, 2 delete, 3 exec), order, side, px, qty", 1_000, row=5),
    "chan": choice("channel, below", 255),
    "checkpoint_s": integer("seconds between checkpoints", high=AMOUNT_MAX),
    "claim_class": choice("1 variation, 2 replacement, 3 stall and restart, 4 rollback", 4),
    "closed": choice("1: the interval is over", 1),
    "cls": text("name of a hardware class"),
    "cod": choice("cancel on disconnect: 0 off, 1 all orders of the lane, 2 flagged ones", 2),
    "code": integer("0, or a reason, below; of an ack 1: the answer to a ref used before"),
    "count": integer("how many"),
    "cover": choice("1: compensation of lost work", 1),
    "cum": integer("lots filled so far"),
    "deadline_ts": integer("microseconds; 0: none"),
    "display": integer("lots shown of an iceberg, 0: all", SIGNED),
    "durable_gseq": integer("last command on disk"),
    "end_ts": integer("end of the delivery, microseconds"),
    "epoch": integer("counts the venue's journals"),
    "exec_id": integer("the match, the same for both sides"),
    "expire_ts": integer("microseconds, with GTD, else 0", SIGNED),
    "fabric": integer("index of a fabric in the product's list", high=FABRICS_MAX - 1),
    "fabrics": numbers("indices of fabrics, or nil: any", FABRICS_MAX, high=FABRICS_MAX - 1, nullable=True),
    "fee": integer("micro-dollars, negative: a rebate", SIGNED),
    "fills": integer("fills in the window that fire, 0: not counted", SIGNED),
    "first": integer("first of a range"),
    "flags": integer("sum of flags"),
    "for_qty": integer("failed lots that are replaced"),
    "from": integer("first of a range"),
    "gang": choice("1: all lots in one fabric or none", 1),
    "grace_ms": integer("milliseconds", high=GRACE_MS_MAX),
    "gseq": integer("number of the command in the journal"),
    "h": integer("highest price, ticks"),
    "hb_ms": integer("milliseconds between heartbeats"),
    "hours": choice("windows of a block", 255),
    "index": integer("micro-dollars per SCU-hour, 0: none yet"),
    "inst": integer("instrument handle", high=HANDLE_MAX),
    "insts": numbers("handles, or nil: all", INSTRUMENTS_PER_REQUEST_MAX, high=HANDLE_MAX, nullable=True),
    "interval": integer("first minute of the window, from 0", high=AMOUNT_MAX),
    "interval_s": integer("seconds"),
    "intervals": integer("minutes", high=AMOUNT_MAX),
    "item": integer("item of an auction", high=AMOUNT_MAX),
    "key": text("id of an API key"),
    "kind": integer("what it is about"),
    "l": integer("lowest price, ticks"),
    "lane": choice("0 to 255: each lane of an account counts its own refs", 255),
    "last": integer("last of a range"),
    "last_pseq": integer("last private message you have; 0: replay nothing"),
    "last_ref": integer("highest ref of the lane so far"),
    "last_trade_ts": integer("microseconds: orders are taken till then"),
    "layer": choice("layer of the waterfall", 9),
    "leaves": integer("lots left open"),
    "legs": numbers("rows inst, bid_px, bid_qty, ask_px, ask_qty", OPERATIONS_MAX, row=5, low=SIGNED, high=VALUE_MAX),
    "level": choice("0 good, 1 called, 2 liquidating, 3 defaulted", 3),
    "limit_total": integer("ticks of one lot over all hours", SIGNED),
    "limits": numbers("rows of bucket, per second, burst", 8, row=3),
    "liq": choice("0 maker, 1 taker", 1),
    "lot_scu": integer("SCU of a lot"),
    "lots": integer("lots", SIGNED),
    "max_frame": integer("most bytes of a frame to the server"),
    "message": Kind(Form.MESSAGE, "a private message"),
    "micros": integer("micro-dollars", SIGNED),
    "min_qty": integer("fewer lots are not taken; 0: 1", SIGNED),
    "mode": choice("0: each operation stands for itself", 0),
    "more": choice("1: the next message goes on with it", 1),
    "n": integer("trades"),
    "name": text("name of a product"),
    "names": Kind(Form.LIST, "names of accounts", most=1 << 16, of_text=True),
    "net": integer("lots held, negative: sold", SIGNED),
    "next_ts": integer("microseconds: when the phase will end by itself; 0: not known"),
    "node": integer("first node, -1: none", -1),
    "nodes": numbers("rows of first, count", RUNS_MAX, row=2),
    "nonce": of_bytes("signed with the login", NONCE_BYTES),
    "number": integer("counts up"),
    "o": integer("first price, ticks"),
    "oid": integer("handle of an order, 0: none"),
    "open_buy": integer("lots of open buys"),
    "open_sell": integer("lots of open sells"),
    "ops": Kind(Form.MESSAGES, "messages 16 to 19 and 28", most=OPERATIONS_MAX, default=None),
    "opts": numbers("depth, conflate_ms, interval_s", 3, nullable=True),
    "orders": numbers("rows of order, side, px, qty, as they would trade: bids, then asks", 1_000, row=4),
    "other": integer("number of the other account, 0: none", high=HANDLE_MAX),
    "other_class": choice("1: a substitute of an equivalent class will do", 1),
    "other_fabric": choice("1: a substitute in another fabric will do", 1),
    "perms": integer("1 read, 2 trade, 4 cancel, 8 copy"),
    "points": numbers("hour, micros, hour, micros, ...", 1 << 16),
    "product": integer("number of a product", high=HANDLE_MAX),
    "pseq": integer("number of the private message, or of the last one"),
    "purse": choice("1 collateral, 2 bond, 3 default fund", 255),
    "px": integer("ticks", SIGNED),
    "qty": integer("lots", SIGNED),
    "rating_ppm": integer("millionths of the contract's rating", high=AMOUNT_MAX),
    "reason": integer("why"),
    "ref": integer("your reference"),
    "region": text("fabric"),
    "reserved": integer("held for orders and positions, micro-dollars"),
    "restart_s": integer("seconds of a restart", high=AMOUNT_MAX),
    "role": choice("0 you are the buyer, 1 the provider", 1),
    "scope": choice("0 the lane, 1 the account", 1),
    "seconds": integer("seconds up in each minute", high=AMOUNT_MAX),
    "seq": integer("number of the message in its channel and instrument"),
    "session": integer("number of the session"),
    "set": choice("quote set", 255),
    "shift_hours": integer("hours a substitute may come later", high=AMOUNT_MAX),
    "side": choice("0 buy, 1 sell", 255),
    "sig": of_bytes("HMAC-SHA256", SIGNATURE_BYTES),
    "signature": of_bytes("Ed25519", NAME_BYTES_MAX),
    "since_ts": integer("microseconds"),
    "snapshot_s": integer("seconds of a snapshot", high=AMOUNT_MAX),
    "source": text("purse: coll, bond or fund"),
    "stage": choice("how the substitute was found", 255),
    "start": integer("first window, hours since 1970", SIGNED),
    "start_ts": integer("beginning of the delivery, microseconds"),
    "state": choice("phase of a window, or state of a lot", 255),
    "stp": choice("0 cancel the resting order, 1 the incoming one, 2 both, 3 shrink both", 255),
    "stream": choice("0 private, 1 drop copy", 255),
    "sub_id": integer("number of a subscription"),
    "surplus": integer("lots"),
    "surplus_side": choice("0 buy, 1 sell", 1),
    "symbol": text("product, fabric and window"),
    "t0": integer("beginning of the interval, microseconds"),
    "tag": integer("a number of yours", high=HANDLE_MAX),
    "target": text("purse: coll, bond or fund"),
    "target_ref": integer("ref of an earlier command of the lane"),
    "timeout_ms": integer("milliseconds; 0: off", high=DEADMAN_MS_MAX),
    "tick_micros": integer("micro-dollars of a tick"),
    "tif": choice("0 till gate closure, 1 IOC, 2 FOK, 3 GTD, 4 AU", 255),
    "to": integer("end of a range"),
    "trade_id": integer("the match"),
    "ts": integer("microseconds since 1970"),
    "ts_echo": integer("ts of the ping"),
    "uncovered": integer("lots that were not to be had"),
    "unit": text("of a quantity"),
    "untold": integer("orders that are further away and not told"),
    "until_ts": integer("microseconds"),
    "v": integer("lots"),
    "version": numbers("major, minor", 2),
    "window_ms": integer("milliseconds, 0: off", SIGNED),
    "windows": integer("windows"),
    "zone": text("zone of the fabrics"),
}
