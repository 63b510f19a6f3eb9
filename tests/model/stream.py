"""What must hold in any stream of commands and events, without a look into the engine."""

from exchange.commands import RECORD
from exchange.records import CALLS, CommandType, EventFlag, EventType, Phase

CANCELS = (CommandType.CANCEL, CommandType.CANCEL_REF, CommandType.MASS_CANCEL, CommandType.SESSION_LOST)
REPLACES = (CommandType.REPLACE, CommandType.REPLACE_REF)
BEFORE_GATE = (Phase.CONTINUOUS, *CALLS)


def record_types(records):
    """The type of each record of a batch, and its record."""
    offset, found = 0, []
    while offset < len(records):
        fields = RECORD.unpack_from(records, offset)
        found.append(fields)
        offset += fields[0]
    return found


class Known:
    """What the stream has told of an order or a block."""

    def __init__(self, event, least):
        self.account = int(event["account"])
        self.sell = bool(event["flags"] & EventFlag.SELL)
        self.price = int(event["price"])
        self.leaves = int(event["leaves"])
        self.cum = 0
        self.hours = int(event["amount"]) if event["flags"] & EventFlag.BLOCK else 0
        self.scope = int(event["match_id"])
        self.least = least


class Stream:
    """Follows a venue by its commands and events and asserts that they go together."""

    def __init__(self, groups):
        self.groups = groups  # Owner group by account.
        self.orders = {}
        self.phases = {}
        self.places = {}  # Product, window and fabric by handle.
        self.positions = {}
        self.nodes = {}  # Of (account, instrument): told nodes, and lots without one.
        self.certified = {}

    def feed(self, records, events):
        """Take a batch and its events."""
        commands = record_types(records)
        by_command = {}
        for event in events:
            by_command.setdefault(int(event["command"]), []).append(event)
        for index, told in by_command.items():
            self.command(commands[index], told)

    def command(self, command, events):
        """Take one command and its events."""
        kind = command[1]
        pending, matches = [], {}
        plain = False  # A replace that only took lots off.
        for index, event in enumerate(events):
            what = event["type"]
            if what == EventType.ACK:
                self.acknowledge(event, command)
            elif what == EventType.REPLACED:
                plain |= self.replaced(event) and kind in REPLACES and index == 1  # Behind its ACK: the change itself.
            elif what == EventType.DONE:
                known = self.orders.pop(int(event["oid"]))
                assert int(event["cum"]) == known.cum
                assert int(event["lots"]) == known.leaves
            elif what == EventType.FILL:
                self.fill(event)
                pending.append(event)
            elif what == EventType.TRADE:
                self.trade(event, pending)
                matches.setdefault(int(event["match_id"]), []).append(event)
                pending = []
            elif what == EventType.STATUS:
                self.phases[int(event["instrument"])] = int(event["lots"])
            elif what == EventType.INSTRUMENT:
                handle = int(event["instrument"])
                self.phases[handle] = int(event["cum"])
                self.places[handle] = int(event["price"]), int(event["amount"]), int(event["lots"])
            elif what == EventType.CAPACITY:
                self.certified[int(event["account"]), int(event["instrument"])] = int(event["lots"])
            elif what == EventType.ASSIGNED and not event["flags"] & EventFlag.SELL:
                self.assigned(event)
        assert not pending
        for event in events:
            known = self.orders.get(int(event["oid"]))
            if event["type"] == EventType.FILL and known is not None and known.leaves == 0:
                del self.orders[int(event["oid"])]
        if kind in CANCELS or plain:
            assert not matches, "a cancel or a shrink must not cause a trade"
        for trades in matches.values():
            self.check_match(trades)
        for key in dict.fromkeys(int(event["instrument"]) for event in events if event["type"] == EventType.ASSIGNED):
            self.check_nodes(key)

    def acknowledge(self, event, command):
        if event["oid"] and event["leaves"] and not event["flags"] & EventFlag.DUPLICATE:
            assert int(event["oid"]) not in self.orders
            least = 0
            if event["flags"] & EventFlag.BLOCK:
                least = command[9] if command[15] == 2 else max(1, command[11])
            self.orders[int(event["oid"])] = Known(event, least)

    def replaced(self, event):
        """Return whether lots were taken off at the same price, and nothing else."""
        known = self.orders[int(event["oid"])]
        shrink = known.price == int(event["price"]) and int(event["leaves"]) <= known.leaves
        assert int(event["cum"]) == known.cum
        assert int(event["lots"]) == known.cum + int(event["leaves"])
        known.price, known.leaves = int(event["price"]), int(event["leaves"])
        known.least = min(known.least, known.leaves)
        return shrink

    def fill(self, event):
        lots, price = int(event["lots"]), int(event["price"])
        sell = bool(event["flags"] & EventFlag.SELL)
        key = int(event["account"]), int(event["instrument"])
        self.positions[key] = self.positions.get(key, 0) + (-lots if sell else lots)
        if not event["oid"]:
            assert event["flags"] & EventFlag.BALANCE
            return
        known = self.orders[int(event["oid"])]
        assert (known.account, known.sell) == (key[0], sell)
        if known.hours:
            self.fill_block(known, event)
            return
        known.cum += lots
        known.leaves -= lots
        assert (int(event["cum"]), int(event["leaves"])) == (known.cum, known.leaves)
        assert price >= known.price if sell else price <= known.price
        if not event["flags"] & (EventFlag.TAKER | EventFlag.CALL):
            assert price == known.price  # A trade is at the resting order's price.

    def fill_block(self, known, event):
        """Its cum and leaves are told as they are behind the whole; fills of one match follow one another."""
        fabric = self.places[int(event["instrument"])][2]
        assert known.scope >> fabric & 1, "a block must stay in one fabric of its scope"
        assert event["flags"] & EventFlag.BLOCK
        known.scope = 1 << fabric
        if (known.cum, known.leaves) != (int(event["cum"]), int(event["leaves"])):
            traded = int(event["cum"]) - known.cum
            assert traded == known.leaves - int(event["leaves"])
            assert traded >= known.least, "the first trade must have the minimum"
            known.cum, known.leaves, known.least = int(event["cum"]), int(event["leaves"]), 1

    def trade(self, event, fills):
        """A trade is told behind its two fills, of two owners, in a phase that has such trades."""
        assert len(fills) == 2
        one, two = fills
        for fill in fills:
            for name in ("match_id", "price", "lots", "instrument"):
                assert fill[name] == event[name]
        assert one["flags"] & EventFlag.SELL != two["flags"] & EventFlag.SELL
        assert self.groups[int(one["account"])] != self.groups[int(two["account"])], "one owner must not trade alone"
        phase = self.phases[int(event["instrument"])]
        if event["flags"] & EventFlag.CALL:
            assert phase in (*CALLS, Phase.HALTED)
        elif event["flags"] & EventFlag.BALANCE:
            assert phase in (*BEFORE_GATE, Phase.HALTED, Phase.BALANCING, Phase.DELIVERING)
        else:
            assert phase == Phase.CONTINUOUS

    def check_match(self, trades):
        """A block trades in k legs of equal quantity, one after another, in one fabric."""
        if not trades[0]["flags"] & EventFlag.BLOCK:
            assert len(trades) == 1
            return
        lots = {}
        for trade in trades:
            lots[int(trade["instrument"])] = lots.get(int(trade["instrument"]), 0) + int(trade["lots"])
        assert len(dict.fromkeys(lots.values())) == 1
        places = [self.places[handle] for handle in lots]
        assert [place[1] for place in places] == list(range(places[0][1], places[0][1] + len(places)))
        assert len({(product, fabric) for product, _, fabric in places}) == 1

    def assigned(self, event):
        key = int(event["account"]), int(event["instrument"])
        nodes, bare = self.nodes.setdefault(key, ({}, [0]))
        if event["price"] < 0:
            bare[0] += int(event["lots"])
        else:
            first, provider = int(event["price"]), int(event["amount"])
            nodes.update(dict.fromkeys((provider, number) for number in range(first, first + int(event["lots"]))))

    def check_nodes(self, handle):
        """Nodes are given once, and a holding over contiguous windows stays (MKT-024)."""
        product, window, fabric = self.places[handle]
        before = next((one for one, place in self.places.items() if place == (product, window - 1, fabric)), None)
        taken = {}
        for (account, instrument), (nodes, bare) in self.nodes.items():
            if instrument != handle:
                continue
            assert not taken.keys() & nodes.keys()
            taken |= nodes
            assert len(nodes) + bare[0] == self.positions[account, handle]
            old = sorted(self.nodes.get((account, before), ({},))[0])
            stay = [node for node in old if self.is_certified(node, handle)]
            if all(self.short(provider, handle) >= self.certified[provider, handle] for provider, _ in stay):
                assert set(stay[: len(nodes) + bare[0]]) <= set(nodes)
        assert all(self.is_certified(node, handle) for node in taken)
        for provider in {provider for provider, _ in taken}:
            assert sum(node[0] == provider for node in taken) <= self.short(provider, handle)

    def is_certified(self, node, handle):
        provider, number = node
        return 0 <= number < self.certified.get((provider, handle), 0)

    def short(self, provider, handle):
        return max(0, -self.positions.get((provider, handle), 0))

    def check_positions(self, core):
        """Positions are the sums of the fills told."""
        for (account, instrument), lots in self.positions.items():
            assert core.position(account, instrument)[0] == lots
