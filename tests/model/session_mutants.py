"""The rules of sessions, each broken in one way. A mutation is handed pytest's monkeypatch, and plants the defect."""

import numpy as np

from exchange.records import EVENT, EventFlag, EventType
from gateway.lanes import Lanes
from gateway.protocol import CancelOnDisconnect
from gateway.publisher import Publisher
from gateway.sequencer import Sequencer
from gateway.server import Server
from gateway.session import Session
from gateway.switches import Switches


def changing_events(monkeypatch, change):
    """Have a batch's events changed before they are told."""
    publish = Publisher.publish

    def changed(self, first_seq, ts_ns, events, commands):
        publish(self, first_seq, ts_ns, change(np.frombuffer(events, EVENT)).tobytes(), commands)

    monkeypatch.setattr(Publisher, "publish", changed)


def tell_outcomes_twice(monkeypatch):
    changing_events(monkeypatch, lambda events: np.repeat(events, 1 + (events["type"] == EventType.REJECT)))


def drop_a_private_message(monkeypatch):
    """An order that another one of its owner ended is not told."""
    changing_events(monkeypatch, lambda events: events[(events["type"] != EventType.DONE) | (events["reason"] != 6)])


def drop_answers_to_repeated_refs(monkeypatch):
    changing_events(monkeypatch, lambda events: events[events["flags"] & EventFlag.DUPLICATE == 0])


def forget_that_a_ref_was_repeated(monkeypatch):
    def change(events):
        events = events.copy()
        events["flags"][events["type"] == EventType.ACK] &= np.uint8(255 - EventFlag.DUPLICATE)
        return events

    changing_events(monkeypatch, change)


def tell_before_the_disk_has_it(monkeypatch):
    advance = Sequencer._advance

    def hasty(self, finished):
        advance(self, None)
        if self._flying is not None:
            batch, events = self._flying
            self._publisher.publish(batch.first_seq, batch.ts_ns, events, batch.count)

    monkeypatch.setattr(Sequencer, "_advance", hasty)


def name_what_is_not_durable_in_heartbeats(monkeypatch):
    monkeypatch.setattr(Publisher, "durable_seq", property(lambda self: self._seq + 1, set_durable_seq), raising=False)


def set_durable_seq(publisher, seq):
    publisher._seq = seq


def ignore_cancel_on_disconnect(monkeypatch):
    leave = Lanes.leave

    def lenient(self, holder, now_ns, *, orderly, cancel=False):
        holder.cod = CancelOnDisconnect.OFF
        return leave(self, holder, now_ns, orderly=orderly, cancel=cancel)

    monkeypatch.setattr(Lanes, "leave", lenient)


def cancel_every_order_of_the_lane(monkeypatch):
    """Those without the flag, too."""
    leave = Lanes.leave

    def harsh(self, holder, now_ns, *, orderly, cancel=False):
        if holder.cod is CancelOnDisconnect.FLAGGED and not orderly:
            holder.cod = CancelOnDisconnect.LANE
        return leave(self, holder, now_ns, orderly=orderly, cancel=cancel)

    monkeypatch.setattr(Lanes, "leave", harsh)


def give_no_grace(monkeypatch):
    leave = Lanes.leave

    def hasty(self, holder, now_ns, *, orderly, cancel=False):
        holder.grace_ns = 0
        return leave(self, holder, now_ns, orderly=orderly, cancel=cancel)

    monkeypatch.setattr(Lanes, "leave", hasty)


def cancel_though_someone_is_back(monkeypatch):
    enter = Lanes.enter

    def forgetful(self, holder):
        lost = dict(self._lost)
        records = enter(self, holder)
        self._lost.update(lost)
        return records

    monkeypatch.setattr(Lanes, "enter", forgetful)


def treat_a_take_over_as_a_loss(monkeypatch):
    supersede = Session.supersede

    def lost(self):
        supersede(self)
        self.venue.owe(self.venue.lanes.leave(self, 0, orderly=False))

    monkeypatch.setattr(Session, "supersede", lost)


def cancel_at_every_logout(monkeypatch):
    leave = Session._leave

    def harsh(self, now_ns, *, orderly, cancel=False):
        leave(self, now_ns, orderly=orderly, cancel=orderly)

    monkeypatch.setattr(Session, "_leave", harsh)


def replay_one_too_many(monkeypatch):
    catch_up = Session._catch_up

    def generous(self, request):
        return catch_up(self, request._replace(last_pseq=max(request.last_pseq - 1, 0)))

    monkeypatch.setattr(Session, "_catch_up", generous)


def forget_refs_under_way(monkeypatch):
    monkeypatch.setattr(Lanes, "last_ref", lambda self, account, lane: 0)


def never_renew_a_switch(monkeypatch):
    arm = Switches.set

    def deaf(self, account, lane, *, whole_account, timeout_ns, now_ns):
        before = {key: armed.due_ns for key, armed in self._armed.items()}
        note = arm(self, account, lane, whole_account=whole_account, timeout_ns=timeout_ns, now_ns=now_ns)
        for key, armed in self._armed.items():
            armed.due_ns = before.get(key, armed.due_ns)
        return note

    monkeypatch.setattr(Switches, "set", deaf)


def let_orders_overtake_what_is_owed(monkeypatch):
    monkeypatch.setattr(Server, "_submit", lambda self, records: self.sequencer.submit(records))


def forget_what_is_owed(monkeypatch):
    def owe(self, records):
        if records:
            self.sequencer.submit(records)

    monkeypatch.setattr(Server, "_owe", owe)


def take_orders_while_draining(monkeypatch):
    drain = Server.drain

    def lenient(self):
        drain(self)
        for connection in self._connections:
            connection.link.gate = 0

    monkeypatch.setattr(Server, "drain", lenient)


MUTANTS = [
    tell_outcomes_twice, drop_a_private_message, drop_answers_to_repeated_refs, forget_that_a_ref_was_repeated,
    tell_before_the_disk_has_it, name_what_is_not_durable_in_heartbeats, ignore_cancel_on_disconnect,
    cancel_every_order_of_the_lane, give_no_grace, cancel_though_someone_is_back, treat_a_take_over_as_a_loss,
    cancel_at_every_logout, replay_one_too_many, forget_refs_under_way, never_renew_a_switch,
    let_orders_overtake_what_is_owed, forget_what_is_owed, take_orders_while_draining,
]  # fmt: skip
