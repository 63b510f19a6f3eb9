"""Sessions of two accounts on a whole venue without sockets, held against `session_model`.

The real engine, sequencer, publisher, server and sessions; the log is durable when the machine says so, and the loop
turns when it says so. After every step each connection must have been told exactly what the model says, in its order.
"""

import asyncio
import gc
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from session_house import BACKLOG, CONFIG, KEYS, LANES, MS, NAMES, NONCE, NOW_US, PERMISSIONS, House, Peer
from session_model import ANY, NOTICE, QUOTED, Model
from session_talk import MESSAGES, ORDERS, TARGETED, Turn
from test_frames import masked

from exchange.reasons import RejectReason as R
from ext.frames import WireError
from gateway.auth import sign
from gateway.protocol import EPOCH

ENDINGS = {"close": masked(8, b"\x03\xe9"), "garbage": masked(2, b"\xc1"), "unmasked": b"\x82\1x"}
LOST_BY = {"eof": 0, "close": 1001, "garbage": 4003, "unmasked": 1002, "silence": 4010, "unread": 4009}
PEERS_MAX = 6


@dataclass
class Desk:
    """What the gateway remembers of lanes and switches, by the rules of docs/spec/session.md."""

    holders: dict = field(default_factory=dict)
    lost: dict = field(default_factory=dict)  # (due, mode) by lane.
    noted: dict = field(default_factory=dict)  # (mode, grace) by lane.
    switches: dict = field(default_factory=dict)  # (timeout, due) by (account, lane or None).
    owed: list = field(default_factory=list)


class SessionMachine(RuleBasedStateMachine):
    histories = 0

    @initialize()
    def begin(self):
        self.loop = asyncio.new_event_loop()
        self.house = House()
        self.model = Model(self.house.engine.seq)
        self.now_ns = 0
        self.peers = []
        self.count = 0
        self.is_broken = False
        self.told_seq = self.model.seq
        self.has_room, self.is_draining = True, False
        self.desk = Desk()
        self.start()
        for account in NAMES:
            self.log_in(account, 0, account - 1, 0, account == 2, 9, EPOCH)

    def start(self):
        async def start():
            self.house.sequencer.start()

        self.loop.run_until_complete(start())
        self.model.apply(("note",))  # The time.

    def next_number(self):
        self.count += 1
        return self.count

    def live(self):
        return [peer for peer in self.peers if peer.is_live]

    # The order of commands.

    def hand_over(self, some):
        """Commands of a client, all or none, after what is owed."""
        self.pay()
        if not self.has_room:
            return False
        for command in some:
            self.model.apply(command)
        return True

    def owe(self, *some):
        self.desk.owed += some
        self.pay()

    def pay(self):
        if self.has_room:
            for command in self.desk.owed:
                self.model.apply(command)
            self.desk.owed = []

    # Who comes.

    @precondition(lambda self: len(self.peers) < PEERS_MAX and not self.is_draining)
    @rule(account=st.sampled_from(list(NAMES)), lane=st.sampled_from(LANES), cod=st.integers(0, 2),
          grace_ms=st.sampled_from([0, 0, 200, 500]), is_text=st.booleans(), back=st.integers(-1, 9),
          epoch=st.sampled_from([EPOCH] * 5 + [0]), takes_over=st.integers(0, 3),
          scope=st.sampled_from(["trade"] * 6 + ["cancel", "read"]))  # fmt: skip
    def come(self, account, lane, takes_over, **login):
        if not takes_over or (account, lane) not in self.desk.holders:
            self.log_in(account, lane, **login)

    def log_in(self, account, lane, cod, grace_ms, is_text, back, epoch, scope="trade"):
        peer = Peer(self, is_text)
        peer.scope = scope
        cod = 0 if scope == "read" else cod  # Else it were refused.
        stream, pseq = self.model.private[account], self.model.pseq(account, self.told_seq)
        last_pseq = max(pseq - back, 0) if back < 9 else 0
        key = KEYS[account, scope]
        signature = sign(key.secret, NONCE, key.key_id, NOW_US)
        peer.feed([[1, 1, key.key_id, NOW_US, signature, lane, cod, grace_ms, epoch, last_pseq]])
        peer.account, peer.lane, peer.cod, peer.grace_ns, peer.is_live = account, lane, cod, grace_ms * MS, True
        peer.heartbeat_ns = self.now_ns + CONFIG.heartbeat_ms * MS
        if scope != "read":  # Who only listens holds no lane.
            self.take_lane(peer)
        last_ref = self.model.last_ref((account, lane))
        peer.due.append([67, 1, peer.number, account, lane, last_ref, pseq, self.told_seq, ANY, PERMISSIONS[scope]])
        if last_pseq and (epoch != EPOCH or last_pseq > pseq):
            peer.due.append([66, 1, R.REPLAY_TOO_OLD, 1])
        elif last_pseq:
            peer.due += stream[last_pseq:pseq]
        self.peers.append(peer)
        self.house.server._connections.add(peer)

    def take_lane(self, peer):
        """Supersede whoever has the lane, and call off what was to end its orders."""
        desk, key = self.desk, (peer.account, peer.lane)
        before = desk.holders.pop(key, None)
        if before is not None:
            before.due.append(("closed", 4011))
            self.over(before)
        desk.holders[key] = peer
        desk.lost.pop(key, None)
        self.owe(*self.note_mode(key, peer.cod, peer.grace_ns))

    def note_mode(self, key, cod, grace_ns):
        before = self.desk.noted.pop(key, None)
        if cod:
            self.desk.noted[key] = cod, grace_ns
        return [] if self.desk.noted.get(key) == before else [("note",)]

    def over(self, peer):
        """A connection hears no more."""
        peer.is_live, peer.is_over = False, True

    # Who goes.

    @precondition(lambda self: self.live())
    @rule(data=st.data(), how=st.sampled_from([*LOST_BY, "logout", "logout"]), last=st.lists(ORDERS, max_size=2),
          cancel=st.integers(0, 1))  # fmt: skip
    def go(self, data, how, last, cancel):
        """A connection ends somehow, perhaps right behind its last orders: they are done before the end acts."""
        peer = data.draw(st.sampled_from(self.live()))
        if how == "logout":
            self.log_out(peer, last, cancel)
        else:
            self.lose(peer, how, last)
        peer.link.feed_eof()  # It may happen a second time, and nothing may come of that.

    def lose(self, peer, how, last):
        code = LOST_BY[how]
        if how in ENDINGS:
            self.say(peer, last, ENDINGS[how])
        elif how == "unread":
            peer.check()
            peer.pipe.unread = 2 << 20
            self.say(peer, [("ping", 1)])
            peer.due.clear()  # It would not be read either.
        elif how == "silence":
            self.be_silent(peer)
        else:
            peer.check()
            peer.link.feed_eof()
        if code:
            peer.due.append(("closed", code))
        self.leave(peer)

    def be_silent(self, peer):
        try:
            peer.session.tick(peer.link.seen_ns + 3 * CONFIG.heartbeat_ms * MS)
        except WireError as error:
            peer.link.close(error.close_code, str(error))

    def leave(self, peer):
        """What a loss does to the lane's orders (SES-013)."""
        key = peer.account, peer.lane
        self.over(peer)
        if peer.scope == "read":
            return
        del self.desk.holders[key]
        if peer.cod and peer.grace_ns:
            self.desk.lost[key] = self.now_ns + peer.grace_ns, peer.cod
        at_once = peer.cod and not peer.grace_ns
        self.owe(*(self.losing(key, peer.cod) if at_once else []))

    def losing(self, key, mode):
        self.desk.noted.pop(key, None)
        return [("lost", *key, mode), ("note",)]

    def log_out(self, peer, last, cancel):
        self.say(peer, [*last, ("logout", cancel), *last])
        key = peer.account, peer.lane
        if cancel and peer.scope == "read":  # It stays, so it is lost when it goes.
            self.lose(peer, "eof", [])
            return
        peer.due += [[66, 8, 0, 0], ("closed", 1000)]
        self.over(peer)
        if peer.scope == "read":
            return
        del self.desk.holders[key]
        cancels = [("lost", *key, 1)] if cancel else []
        self.owe(*cancels, *self.note_mode(key, 0, 0))

    # What they say.

    @precondition(lambda self: self.live())
    @rule(data=st.data(), messages=st.lists(MESSAGES, min_size=1, max_size=6))
    def talk(self, data, messages):
        self.say(data.draw(st.sampled_from(self.live())), messages)

    @precondition(lambda self: self.live())
    @rule(data=st.data(), orders=st.lists(ORDERS, min_size=1, max_size=4))
    def trade(self, data, orders):
        """Two sessions in turn."""
        for half in (orders[::2], orders[1::2]):
            self.say(data.draw(st.sampled_from(self.live())), half)

    @precondition(lambda self: self.live())
    @rule(data=st.data(), orders=st.lists(ORDERS, min_size=1, max_size=4))
    def order(self, data, orders):
        self.say(data.draw(st.sampled_from(self.live())), orders)
        self.flush(1)

    @precondition(lambda self: self.live() and self.model.orders)
    @rule(data=st.data(), some=st.lists(st.one_of(TARGETED), min_size=1, max_size=3))
    def change(self, data, some):
        self.say(data.draw(st.sampled_from(self.live())), some)

    @precondition(lambda self: self.live())
    @rule(data=st.data(), timeout_ms=st.sampled_from([300, 300, 700, 0]), scope=st.integers(0, 1))
    def guard(self, data, timeout_ms, scope):
        self.say(data.draw(st.sampled_from(self.live())), [("deadman", timeout_ms, scope)])

    def say(self, peer, messages, ending=b""):
        """Send messages in one read, and note what must be answered at once."""
        turn = Turn(self, peer)
        wire = []
        for message in messages:
            if peer.is_text:  # Each is handed over when the next one is read.
                turn.hand_over()
            wire.append(getattr(turn, message[0])(*message[1:]))
        turn.hand_over()
        peer.feed(wire, ending)

    # What the venue does.

    def turn(self):
        """The loop turns: what was handed over becomes a batch, and is applied ahead of the disk."""

        async def turn():
            for _ in range(4):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turn())

    @rule(flushes=st.sampled_from([1, 1, 2, 9, 0]))
    def flush(self, flushes):
        """The oldest batches become durable, and are told; with none the loop just turns."""
        self.turn()
        self.fill_up(self.has_room or flushes > 0)
        for _ in range(flushes):
            self.turn()
            if not self.house.log.begun:
                return
            self.house.log.flush()
            self.turn()
            self.tell(self.house.log.durable_seq)

    def tell(self, durable_seq):
        assert durable_seq <= self.model.seq, "commands must be those of the model"
        for seq in range(self.told_seq + 1, durable_seq + 1):
            for effect in self.model.effects[seq - self.model.first_seq - 1]:
                for peer in self.live():
                    if effect.is_for(peer):
                        peer.due.append(effect.told)
        self.told_seq = durable_seq

    @rule(ms=st.sampled_from([50, 100, 200, 300, 1_000]))
    def pass_time(self, ms):
        self.now_ns += ms * MS
        for peer in self.live():
            if self.now_ns >= peer.heartbeat_ns:
                peer.heartbeat_ns = self.now_ns + CONFIG.heartbeat_ms * MS
                pseq = self.model.pseq(peer.account, self.told_seq)
                peer.due.append([104, NOW_US, self.told_seq, pseq, self.house.log.durable_seq])
            for message in peer.session.tick(self.now_ns):
                peer.link.send(message)
            peer.link.flush()
        server = self.house.server
        server._owe(server.lanes.due(self.now_ns) + server.switches.due(self.now_ns))
        self.owe(*self.overdue_lanes(), *self.overdue_switches())

    def overdue_lanes(self):
        due = [key for key, (due_ns, _) in self.desk.lost.items() if due_ns <= self.now_ns]
        return [one for key in due for one in self.losing(key, self.desk.lost.pop(key)[1])]

    def overdue_switches(self):
        """An account's own switch names lane 0 in its notice."""
        due = [key for key, (_, due_ns) in self.desk.switches.items() if due_ns <= self.now_ns]
        some = []
        for account, lane in due:
            del self.desk.switches[account, lane]
            some += [("fired", account, lane, lane is None), ("note",), ("fired_notice", account, lane or 0)]
        return some

    @rule(kind=st.sampled_from(["full"] * 4 + ["crash", "drain"]), again=st.integers(0, 2))
    def trouble(self, kind, again):
        """Now and then; the venue is full till the next flush."""
        if not again:
            {"full": lambda: self.fill_up(False), "crash": self.crash, "drain": self.drain}[kind]()

    def fill_up(self, has_room):
        """The sequencer takes nothing, or takes again."""
        self.has_room = has_room
        self.house.sequencer._backlog_commands_max = BACKLOG if has_room else 0

    def drain(self):
        self.is_draining = True
        self.house.server.wall_us = lambda: NOW_US
        self.house.server.drain()
        for peer in self.live():
            peer.due.append([NOTICE, 2, CONFIG.drain_retry_ms, NOW_US])

    def crash(self):
        """The process dies, and another one begins with what is durable (SES-062, SES-064, SES-065)."""
        self.check_all()
        log = self.house.log
        durable = log.durable_seq
        batches = [*getattr(self.house, "batches", []), *(one for one in log.batches if one[0] <= durable)]
        self.house.close()
        self.house = House(batches)
        self.house.batches = batches
        self.model = self.model.cut(durable)
        self.told_seq = durable
        self.peers, self.is_draining, self.has_room, self.count = [], False, True, 0
        self.recover_desk(durable)
        self.start()

    def recover_desk(self, durable):
        """Every noted session is lost with the server that had it; switches have their whole time again."""
        router, server = self.house.publisher.router, self.house.server
        server.lanes.recover(router.modes, self.now_ns)
        server.switches.recover(router.switches, self.now_ns)
        self.desk = Desk()
        for key, (mode, grace_ns) in router.modes.items():
            self.desk.noted[key] = mode, grace_ns
            self.desk.lost[key] = self.now_ns + grace_ns, mode
        for (account, lane, scope), timeout_ns in router.switches.items():
            self.desk.switches[account, lane if scope == 3 else None] = timeout_ns, self.now_ns + timeout_ns

    # What must hold.

    @invariant()
    def everyone_was_told_what_he_must_be(self):
        if hasattr(self, "house"):
            self.check_all()
            sequencer = self.house.sequencer
            assert sequencer.failure is None
            assert sequencer.next_seq == self.model.seq + 1, (sequencer.next_seq, self.model.seq + 1)

    def check_all(self):
        self.is_broken = True  # Until it is shown that it is not.
        for peer in self.peers:
            peer.check()
        self.is_broken = False
        self.peers = [peer for peer in self.peers if not peer.is_over]

    def teardown(self):
        """In the end nothing waits; who is left is told to go, and his mode applies without grace."""
        if not hasattr(self, "house"):
            return
        try:
            if not self.is_broken:
                self.wind_up()
        finally:
            self.house.close()
            self.loop.close()
            SessionMachine.histories += 1
            if SessionMachine.histories % 50 == 0:  # A venue's arenas are larger than the collector can see.
                gc.collect()

    def wind_up(self):
        self.fill_up(True)
        self.stop()
        self.flush(10)
        self.check_all()
        self.check_book()

    def stop(self):
        """The server stops in order: notice, close code, and every loss without its grace (SES-013, SES-069)."""
        self.house.server.wall_us = lambda: NOW_US
        self.loop.run_until_complete(self.house.server.stop())
        leaving = sorted(self.live(), key=list(self.house.server._connections).index)
        for peer in leaving:
            peer.due += [[NOTICE, 2, CONFIG.drain_retry_ms, NOW_US], ("closed", 4012)]
            self.leave(peer)
        self.owe(*(one for key, (_, mode) in self.desk.lost.items() for one in self.losing(key, mode)))
        self.desk.lost.clear()

    def check_book(self):
        """What is left in the book is what the model has left there."""
        for inst in (1, QUOTED):
            for side, levels in enumerate((self.house.publisher.router.market(inst).bids,
                                           self.house.publisher.router.market(inst).asks)):  # fmt: skip
                left = {}
                for order in self.model.orders:
                    if order.side == side and (order.lane is None) == (inst == QUOTED):
                        left[order.px] = left.get(order.px, 0) + order.leaves
                assert dict(levels.levels(99)) == left, (inst, side, levels.levels(99), left)
