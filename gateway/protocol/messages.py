"""Every message of the wire: number, name, fields and meaning. The page, the documents and both forms come from here.

Fields in brackets form an optional tail. Order messages (16 to 24, 26 and 28) are read by `ext.codec`, what happens in
the market is written by `ext.encoder` and `ext.market`; tests hold them against this table.
"""

from collections.abc import Mapping
from typing import NamedTuple

from exchange.units import FABRICS_MAX
from gateway.clearing_requests import PARTICIPANTS, described
from gateway.protocol.fields import FIELDS, Form, Kind, choice, integer, optional, text
from gateway.protocol.numbers import HANDLE_MAX, VALUE_MAX, MessageType


class Message(NamedTuple):
    """One row of the wire's table."""

    number: MessageType
    fields: str
    doc: str
    kinds: Mapping[str, Kind] = {}  # Of fields that mean something else here.

    @property
    def name(self) -> str:
        """Name in documents, text forms and the client."""
        return self.number.name.lower()

    @property
    def names(self) -> list[str]:
        """Return the names of the fields, in order."""
        return self.fields.replace("[", "").replace("]", "").split()

    @property
    def required(self) -> int:
        """Return how many fields must be there."""
        return len(self.fields.partition("[")[0].split())

    def kind(self, field: str) -> Kind:
        """Return what a field must be."""
        return self.kinds.get(field) or FIELDS[field]


def of_clearing(number: MessageType, doc: str) -> Message:
    """Return the row of a request whose fields are those of a command of the clearinghouse."""
    return Message(number, described(PARTICIPANTS[number]), doc, _NAMED)


# Requests to the clearinghouse name products and fabrics: what a provider signs is what the journal keeps.
_NAMED = {
    "product": text("name of a product"),
    "fabric": text("name of a fabric"),
}

REQUESTS: tuple[Message, ...] = (
    Message(
        MessageType.LOGIN,
        "ref key ts sig lane cod grace_ms epoch last_pseq [hb_ms]",
        "Log in. `sig` is 32 bytes: HMAC-SHA256(secret, nonce + key + decimal ts). `lane` 0 to 255. `cod` 0 off, 1 "
        "all orders of the lane, 2 flagged ones. `grace_ms` at most 60,000. `epoch` (of hello) and `last_pseq`, the "
        "last private message you have: those after it follow welcome, as they were; 0, 0: none. If they are not kept"
        " any more, resp REPLAY_TOO_OLD follows welcome. `hb_ms`: milliseconds between heartbeats, 250 to 30,000; 0: "
        "the server's.",
    ),
    Message(
        MessageType.LOGOUT,
        "ref cancel",
        "Log out; `cancel` 1 cancels every order of the lane.",
    ),
    Message(
        MessageType.PING,
        "ref ts",
        "Answered by pong; also the way to say that you are there.",
    ),
    Message(
        MessageType.SUBSCRIBE,
        "ref chan insts [opts]",
        "`insts` is a list of handles, or nil for all. `opts` is nil or `[depth, conflate_ms, interval_s]`, see "
        "below. Answered by resp with the subscription's number.",
    ),
    Message(
        MessageType.UNSUBSCRIBE,
        "ref sub_id",
        "End a subscription.",
    ),
    Message(
        MessageType.REPLAY,
        "ref stream inst from [to]",
        "Have your private messages (`stream` 0), drop copies (1), or trades of the instrument `inst` (2, else nil) "
        "`from` to `to` told once more (nil or left out: up to now), as they were. resp with their number in `arg`, "
        "then the messages. Old ones of 0 and 1 are looked for in the journal, at most 65,536 a request: they take a "
        "while, and new messages may come between them. Of trades the last 1,000 are kept; older ones are answered "
        "by REPLAY_TOO_OLD, `arg` the oldest there is.",
        {
            "stream": choice("0 private, 1 drop copies, 2 trades", 2),
            "to": optional(FIELDS["to"]),
            "inst": optional(FIELDS["inst"]),
        },
    ),
    Message(
        MessageType.SNAPSHOT,
        "ref chan inst",
        "Ask for a snapshot; resp, then the message. `inst` is nil in the channels 9 and 11.",
        {"inst": optional(FIELDS["inst"])},
    ),
    Message(
        MessageType.PLACE,
        "ref inst side px qty tif flags [expire_ts deadline_ts stp tag display]",
        "Place an order: `side` 0 buy, 1 sell; `tif` 0 till gate closure, 1 IOC, 2 FOK, 3 GTD (with "
        "`expire_ts`, else 0), 4 AU: in a call only, and gone with it; `flags` 1 post-only, 2 reduce-only, 4 "
        "cancel-on-disconnect, 16 physical: a sell that certified capacity backs, 32 standby: a sell for the "
        "balancing market, 64 with it: a firm offer, which cannot be taken back. `deadline_ts`: refuse it when "
        "read later. `stp` 0 cancel the resting order, 1 the incoming one, 2 both, 3 shrink both. `tag`: a "
        "number up to 2^32 - 1 of your own. `display`: lots shown of an iceberg.",
        {"flags": choice("1 post-only, 2 reduce-only, 4 cancel-on-disconnect, 16 physical, 32 standby, 64 firm", 119)},
    ),
    Message(
        MessageType.CANCEL,
        "ref oid",
        "Cancel by the order's handle.",
    ),
    Message(
        MessageType.CANCEL_REF,
        "ref target_ref",
        "Cancel the order this lane placed with `target_ref`.",
    ),
    Message(
        MessageType.REPLACE,
        "ref oid px qty flags [stp]",
        "New terms; `qty` is the total, filled part included; `px` of a block is its limit total. `flags` 1: "
        "keep priority or refuse.",
        {"flags": choice("1 keep priority or refuse", 1)},
    ),
    Message(
        MessageType.BATCH,
        "ref mode ops",
        "Up to 64 arrays of type 16 to 19 and 28, each with its own ref. `mode` is 0: each stands for itself.",
    ),
    Message(
        MessageType.MASS_CANCEL,
        "ref inst side lane [tag product from to]",
        "Cancel all orders of the account, blocks included, that pass the filters; nil: no filter. `lane` "
        "filters by the lane an order was placed in, `product` by its number (113), `from` and `to`, given "
        "together, by windows from the first up to, not with, the second; a block passes `inst` and windows if "
        "one of its legs does.",
        {name: optional(FIELDS[name]) for name in ("inst", "lane", "tag")}
        | {"side": optional(choice("0 buy, 1 sell", 1)), "product": optional(integer("its number", high=VALUE_MAX))}
        | {name: optional(integer("window", high=HANDLE_MAX)) for name in ("from", "to")},
    ),
    Message(
        MessageType.QUOTE,
        "ref set legs [flags stp]",
        "Two-sided quote: up to 64 legs `[inst, bid_px, bid_qty, ask_px, ask_qty]`, replacing what this `set` "
        "(0 to 255) quoted there; quantity 0 pulls a side. `flags` 1 post-only.",
        {"flags": choice("1 post-only", 1)},
    ),
    Message(
        MessageType.MMP_SET,
        "ref set window_ms fills lots",
        "Guard a quote set: when in `window_ms` (at most 86,400,000; 0: off) its fills reach `fills`, or their "
        "lots `lots` (0: not counted), all its orders end and notice is given.",
    ),
    Message(
        MessageType.MMP_RESET,
        "ref set",
        "Let a quote set quote again after that.",
    ),
    Message(
        MessageType.DEADMAN,
        "ref timeout_ms scope",
        "Set a dead-man switch: unless you send this again within `timeout_ms` (100 to 86,400,000; 0: take it off), "
        "all orders of the lane (`scope` 0) or of the account, quotes included (1), end, whether you are connected or"
        " not. `ref` is any number. Answered by resp. After a restart of the server it has its whole time again.",
    ),
    Message(
        MessageType.BLOCK,
        "ref product fabrics start hours side limit_total qty min_qty tif flags [expire_ts deadline_ts stp tag]",
        "Buy or sell `qty` lots in each of `hours` windows from the window `start` on (hours since 1970), all "
        "in one fabric, or nothing. `product` and `fabrics` (a list of indices, or nil: any) as in 113; a sell "
        "names one fabric. `limit_total`: ticks of one lot over all hours. `min_qty`: fewer lots are not taken,"
        " 0 counts as 1. `tif` 0 to 3. `flags` 4 cancel-on-disconnect, 16 physical. `stp` is 0.",
        {"flags": choice("4 cancel-on-disconnect, 16 physical", 20)},
    ),
    Message(
        MessageType.STATUS_QUERY,
        "ref target_ref",
        "Ask what `target_ref` was answered.",
    ),
    Message(
        MessageType.REPLACE_REF,
        "ref target_ref px qty flags [stp]",
        "As replace, of the order this lane placed with `target_ref`.",
        {"flags": choice("1 keep priority or refuse", 1)},
    ),
    of_clearing(
        MessageType.TRANSFER,
        "Move money between your own purses `coll`, `bond` and `fund`.",
    ),
    of_clearing(
        MessageType.DELIVERY_TERMS,
        "What you want for the lots you buy in the `count` windows from `start` (hours since 1970) on, before "
        "their gate: `gang` 1 all lots in one fabric or none; substitutes in another fabric, of another class, "
        "up to `shift_hours` later; `cover` 1 compensation of lost work, with your declared seconds between "
        "checkpoints, of a snapshot and of a restart.",
    ),
    of_clearing(
        MessageType.NODE_HEARTBEAT,
        "The nodes of a fabric that are well, up to 64 ranges `[first, count]`. `number` counts up; sent again "
        "it must say the same. `signature`: see below.",
    ),
    of_clearing(
        MessageType.METER,
        "What nodes `first` to `first + count - 1` have done in `intervals` minutes from the minute `interval` "
        "of the window on: `seconds` up in each, and their rating in millionths of the contract's.",
    ),
    of_clearing(
        MessageType.CHECKPOINT,
        "Your work in this delivery is safe up to now.",
    ),
    of_clearing(
        MessageType.REPORT_FAILURE,
        "Your nodes `first` to `first + count - 1` have failed; before the gate: you will not deliver `count` "
        "of the lots you have sold.",
    ),
    of_clearing(
        MessageType.BID,
        "Bid in the auction of an estate (120), sealed: `micros` for each lot of the item `item`.",
    ),
)

REPLIES: tuple[Message, ...] = (
    Message(
        MessageType.ACK,
        "ref code oid ts gseq pseq",
        "Accepted. `code` 1: the answer to a ref used before. `oid` is the order's handle, 0 for mass cancels "
        "and quotes.",
    ),
    Message(
        MessageType.REJECT,
        "ref code arg ts gseq",
        "Refused; `code` is one of the reasons below. `arg`: the instrument, for RATE the microseconds to wait,"
        " for a batch the operation at fault. `gseq` 0: refused at the door, the ref is still unused.",
    ),
    Message(
        MessageType.FILL,
        "pseq oid ref exec_id inst side px qty cum leaves liq fee ts gseq flags",
        "One match of one of your orders. `exec_id` is the match, the same for both sides and in the public "
        "trade. `liq` 0 maker, 1 taker. `fee` in micro-dollars. `flags` 16 of a call, 32 of a block: one of its"
        " windows, `cum` and `leaves` are the block's; 64 a trade of the clearinghouse, whose side has `oid` 0.",
    ),
    Message(
        MessageType.BATCH_ACK,
        "ref count",
        "The batch was read; its operations are answered one by one.",
    ),
    Message(
        MessageType.DONE,
        "pseq oid ref reason cum ts gseq",
        "The order ended and was not, or not wholly, filled.",
    ),
    Message(
        MessageType.REPLACED,
        "pseq oid ref px qty leaves ts gseq",
        "The order has new terms; `qty` is the total; `px` of a block is its limit total.",
    ),
    Message(
        MessageType.POSITION,
        "inst net open_buy open_sell gseq",
        "What you hold of an instrument, and lots of open orders in it, after the command `gseq`; 0, 0, 0: nothing any "
        "more.",
    ),
    Message(
        MessageType.BALANCE,
        "cash reserved available ts gseq",
        "Your collateral, what of it is held for orders and positions, and the rest, after the command `gseq`. Comes "
        "after the positions of the same state.",
    ),
    Message(
        MessageType.NOTICE,
        "kind arg ts",
        "`kind` 1: four fifths of your rate are used up; 2: the server will stop, come back after `arg` ms; 3: "
        "protection has pulled the quote set `arg`; 4: your dead-man switch has fired (of lane `arg`, or of the "
        "account).",
    ),
    Message(
        MessageType.HELLO,
        "version epoch nonce ts hb_ms max_frame",
        "The first message. `version` is `[major, minor]`. `epoch` changes when the venue begins a new journal:"
        " then all sequence numbers are void.",
    ),
    Message(
        MessageType.PONG,
        "ref ts_echo ts",
        "`ts_echo` is the ping's.",
    ),
    Message(
        MessageType.RESP,
        "ref code arg",
        "Answer to requests 2 to 7 and 42 to 48: `code` 0, or a reason. Of 42 to 48 `arg` counts what was done:"
        " windows (43), lots (47), 1 or, for a repetition that changes nothing, 0 (44, 45); for RATE the "
        "microseconds to wait, 0: for earlier answers.",
    ),
    Message(
        MessageType.WELCOME,
        "ref session account lane last_ref pseq gseq limits perms",
        "Logged in. `limits`: `[bucket, per second, burst]`, bucket 0 orders, 1 cancels. `perms`: 1 read, 2 "
        "trade.",
    ),
    Message(
        MessageType.L1,
        "inst seq ts bid_px bid_qty ask_px ask_qty",
        "Best bid and ask; 0, 0 where there is none.",
    ),
    Message(
        MessageType.TRADE,
        "inst seq ts trade_id px qty aggressor flags",
        "A match. `aggressor` is the incoming side, 2: none, it is of a call. `flags` as in fill; the windows "
        "of a block have one `trade_id`.",
    ),
    Message(
        MessageType.L2_SNAP,
        "inst seq ts bids asks",
        "The visible book: `[px, qty, px, qty, ...]`, best first.",
    ),
    Message(
        MessageType.L2_DELTA,
        "inst first seq ts bids asks",
        "Levels that changed in the messages `first` to `seq`, with what they show now, `qty` 0: gone, or no "
        "longer among the best of your depth. Apply it if `first` <= your seq + 1 <= `seq`; skip it if `seq` is not "
        "above yours; else ask for a snapshot.",
    ),
    Message(
        MessageType.L3,
        "inst seq ts changes",
        "What happened to single orders, `[[op, order, side, px, qty], ...]`. `op` 0: it comes to rest at the back of "
        "its price and shows `qty`; 1: it shows `qty`, and keeps its place; 2: it is gone; 3: `qty` of it were traded, "
        "and it is gone when nothing that it showed is left. `order` is the `gseq` of the command that placed it: the "
        "one its owner has in the ack; the bid and the ask of a leg of a quote have the same. Apply it if `seq` is "
        "your seq + 1; skip it if it is not above yours; else ask for a snapshot.",
    ),
    Message(
        MessageType.L3_SNAP,
        "inst seq ts more untold orders",
        "The orders of the visible book one by one, `[[order, side, px, qty], ...]` with what they show: bids, the "
        "best first, then asks, those of a price in the order in which they will trade. `more` 1: the next message "
        "goes on. `untold`: so many are further away than the 20,000 of a side that are told; what happens to them "
        "is told.",
    ),
    Message(
        MessageType.STATUS,
        "inst seq ts state reason next_ts",
        "`state`: the phase, below. `reason`: why, 0 schedule, 1 command, 2 price band. `next_ts`: when it will"
        " change by itself, 0 if not known.",
    ),
    Message(
        MessageType.CANDLE,
        "inst seq t0 o h l c v n interval_s closed",
        "Prices in ticks, lots and trades from `t0` on. `closed` 1: its interval is over, 0: it may still change.",
    ),
    Message(
        MessageType.INSTRUMENT,
        "inst symbol tick_micros lot_scu start_ts end_ts last_trade_ts unit region state",
        "What a handle is. Prices are multiples of `tick_micros` micro-dollars per SCU-hour; a lot is `lot_scu`"
        " SCU for the window `[start_ts, end_ts)`; orders are taken until `last_trade_ts`, or a random moment "
        "later. Told again when `state`, the phase, changes.",
    ),
    Message(
        MessageType.HEARTBEAT,
        "ts gseq pseq durable_gseq",
        "Every `hb_ms`. `gseq`: the last command told; `durable_gseq`: the last on disk.",
    ),
    Message(
        MessageType.GAP,
        "chan inst first last interval_s",
        "You did not read in time: the messages `first` to `last` of this channel (of candles: of this interval) will "
        "not come. In l2, l3 and candles the present state follows; trades can be had by HTTP.",
    ),
    Message(
        MessageType.STRIP,
        "product fabric start hours seq ts bid_total bid_lots ask_total ask_lots flags",
        "What a run of windows costs: the sums of its windows' best prices, for the fewest lots that one of "
        "them shows. 0, 0 where a window has none or does not trade. `fabric` is an index as in 113. `flags` 1:"
        " implied from the windows.",
    ),
    Message(
        MessageType.INDICATIVE,
        "inst seq ts px qty surplus_side surplus",
        "In a call: price and volume it would come to now, and what would be left over on a side. `px` and "
        "`qty` 0: nothing would trade.",
    ),
    Message(
        MessageType.PERISHED,
        "inst seq ts qty certified",
        "The window is over: of `certified` lots nobody had bought `qty`.",
    ),
    Message(
        MessageType.ASSIGNED,
        "pseq inst role node qty other ts gseq",
        "After the gate: nodes `node` to `node + qty - 1` that `other` provides in the fabric are yours (`role`"
        " 0), or go to the account `other` (`role` 1: you provide them). `node` -1, `other` 0: there is no node"
        " for these lots.",
    ),
    Message(
        MessageType.BOUGHT_IN,
        "pseq inst qty uncovered ts gseq",
        "At the gate: you were short beyond your capacity; `qty` lots were bought for you, `uncovered` were not"
        " to be had.",
    ),
    Message(
        MessageType.CAPACITY,
        "pseq inst qty ts gseq",
        "The lots you may deliver in this window.",
    ),
    Message(
        MessageType.PRODUCT,
        "number name fabrics zone tick_micros lot_scu band_static_bps band_dynamic_bps",
        "What a product number is, and what it delivers where; its price bands in hundredths of a per cent, 0: "
        "none; comes before the product's instruments. The index of a fabric is its place in `fabrics`.",
        {"fabrics": Kind(Form.LIST, "names of the fabrics", most=FABRICS_MAX, of_text=True)},
    ),
    Message(
        MessageType.ENTRY,
        "pseq cause purse micros inst case ts gseq",
        "Money was moved in one of your purses: `purse` 1 collateral, 2 bond, 3 default fund; `micros` more or,"
        " negative, less; `cause` below. `inst` and `case` (of a default) 0: none. The sum of a purse's "
        "entries, and for collateral of deposits, fees and variation, is what it holds.",
    ),
    Message(
        MessageType.MARGIN,
        "pseq level micros deadline_ts ts gseq",
        "How you stand: `level` 0 good, 1 called, 2 liquidating, 3 defaulted; the margin asked for; until when "
        "a call must be met, else 0.",
    ),
    Message(
        MessageType.LOT_STATE,
        "pseq inst role node qty state since_ts ts gseq",
        "Nodes `node` to `node + qty - 1` that serve you (`role` 0) or that you provide (1): `state` 0 well, 1 "
        "suspect, 2 failed, since when. `node` -1: lots that have no node.",
    ),
    Message(
        MessageType.DEFAULT,
        "pseq case kind ts gseq",
        "A default of yours: `kind` 1 nodes have failed, 2 you as a provider, 3 margin, 4 payment, 5 declared; "
        "0: it is closed.",
    ),
    Message(
        MessageType.SUBSTITUTE,
        "pseq inst role stage qty for_qty other px micros case ts gseq",
        "Other lots stand in for failed ones: `qty` lots of the account `other` (`role` 0), or of yours for it "
        "(1), instead of `for_qty` failed ones, at `px`; `micros`: what you pay or, as the provider, are to "
        "earn for them. `stage` 0 cured, 1 in the same fabric, 2 of the same class, 3 of an equivalent class, 4"
        " later, 5 cash: the rest is refunded, 6 from the call auction.",
    ),
    Message(
        MessageType.LAYER,
        "pseq case layer claim_class micros ts gseq",
        "You pay for a default: `layer` 1 bond, 2 collateral, 3 fund share of the defaulter, 6 fund share, 7 "
        "assessment of a survivor; `claim_class` 1 variation, 2 replacement, 3 stall and restart, 4 rollback.",
    ),
    Message(
        MessageType.AUCTION,
        "inst seq ts case item side qty windows until_ts",
        "Bids are taken until `until_ts` for `item` of the case: `qty` lots in each of `windows` windows from "
        "this one on, that the estate holds (`side` 0) or owes (1).",
    ),
    Message(
        MessageType.MARK,
        "inst seq ts px",
        "The mark at which positions are valued, in ticks.",
    ),
    Message(
        MessageType.CLAIM,
        "pseq case claim_class micros ts gseq",
        "What a default still owes you: it is paid out of what is recovered.",
    ),
    Message(
        MessageType.EXERCISE,
        "pseq inst side qty px ts gseq",
        "An option of yours has expired: `qty` lots of the window `inst` are yours now, bought (`side` 0) or "
        "sold (1), at the mark `px`.",
    ),
    Message(
        MessageType.CURVE,
        "cls seq ts index points",
        "The forward curve of a hardware class: `[hour, micros, hour, micros, ...]`, hours since 1970, micro-dollars "
        "per SCU-hour; `index` is that of the class, 0: none yet.",
    ),
    Message(
        MessageType.COPY,
        "seq account message",
        "A drop copy: the private message `message`, an array as its account has it. `seq` counts up by one, over all "
        "accounts of the firm.",
    ),
    Message(
        MessageType.COPY_HEAD,
        "seq accounts names",
        "Where drop copies stand: `seq` of the last one, the firm's accounts, and their names in the same order.",
    ),
)

MESSAGES = (*REQUESTS, *REPLIES)
BY_NUMBER = {int(message.number): message for message in MESSAGES}
BY_NAME = {message.name: message for message in MESSAGES}
