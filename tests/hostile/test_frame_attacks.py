"""Attacks with WebSocket frames and messages, before and after login, on a venue as a process."""

import struct
import time

import msgpack
import pytest
from attacked import LIMITS, PATIENCE_S, is_readable
from test_frames import BINARY, CLOSE, PING, TEXT, masked, server_frames

from exchange.reasons import RejectReason as R

ACK, REJECT, RESP, PONG_MESSAGE = 33, 34, 66, 65
HUGE = 0xFFFFFFFF


def ends(attacked, *chunks, key=None):
    """What a connection that sends some bytes is closed with, while the trader trades."""

    def attack():
        with attacked.peer() as peer:
            peer.upgrade()
            if key is not None:
                peer.login(key)
            for chunk in chunks:
                peer.send(chunk)
            return peer.ending()

    return attacked.survives(attack)


def test_unmasked_frames_end_the_connection_ses_001(attacked):
    assert ends(attacked, b"\x82\x01x" * 1_000) == 1002


@pytest.mark.parametrize("length", [1 << 31, (1 << 63) - 1, 65_537])
def test_a_huge_length_ends_the_connection_before_anything_is_gathered_ses_001(attacked, length):
    header = struct.pack(">BBQ", 0x80 | BINARY, 0x80 | 127, length) + bytes(4)
    assert ends(attacked, header + bytes(1 << 20), key=attacked.key["eve"]) == 1009


def test_three_hundred_thousand_fragments_end_the_connection_ses_001(attacked):
    fragments = masked(BINARY, b"x", fin=False) + masked(0, b"x", fin=False) * 300_000
    assert ends(attacked, fragments, key=attacked.key["eve"]) == 1009


def test_empty_fragments_count_too_ses_001(attacked):
    fragments = masked(TEXT, b"", fin=False) + masked(0, b"", fin=False) * 300_000
    assert ends(attacked, fragments) == 1009


BOMBS = {
    "nested arrays": b"\x91" * 4_000,
    "nested maps": b"\x81" * 4_000,
    "nested arrays in a login": b"\x9b\x01\x01" + b"\x91" * 4_000,
    "array of 4 Gi": struct.pack(">BI", 0xDD, HUGE),
    "map of 4 Gi": struct.pack(">BI", 0xDF, HUGE),
    "text of 4 GiB": struct.pack(">BI", 0xDB, HUGE),
    "bytes of 4 GiB": b"\x91" + struct.pack(">BI", 0xC6, HUGE),
    "extension of 4 GiB": b"\x91" + struct.pack(">BIb", 0xC9, HUGE, 1),
    "login with an array of 4 Gi": b"\x9b\x01\x01" + struct.pack(">BI", 0xDD, HUGE),
    "timestamp": msgpack.packb([3, 1, msgpack.Timestamp(1, 1)]),
    "never used byte": b"\xc1",
    "nothing": b"",
    "number": b"\x07",
    "two messages in one": msgpack.packb([3, 1, 1]) * 2,
    "many empty arrays": b"\xdd\x00\x00\x0f\x00" + b"\x90" * 0xF00,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_bombs_before_login_end_the_connection_ses_005(attacked, bomb):
    assert ends(attacked, masked(BINARY, bomb)) in (4001, 4003)


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_bombs_after_login_end_the_connection_or_are_refused_ses_002(attacked, bomb):
    def attack():
        with attacked.peer() as peer:
            peer.upgrade()
            peer.login(attacked.key["eve"])
            peer.send(masked(BINARY, bomb))
            peer.message(3, 99, 1)
            return peer.next(RESP, PONG_MESSAGE)

    answer = attacked.survives(attack)
    assert answer[0] == 4003 or answer[:3] == [RESP, answer[1], R.MALFORMED], answer


ORDERS = {
    "batch of nested arrays": b"\x94\x14\x01\x00" + b"\x91" * 65_000,
    "batch of 4 Gi": b"\x94\x14\x01\x00" + struct.pack(">BI", 0xDD, HUGE),
    "batch of empty arrays": b"\x94\x14\x01\x00" + b"\xdd\x00\x00\xfd\x00" + b"\x90" * 0xFD00,
    "quote of 4 Gi legs": b"\x94\x16\x01\x01" + struct.pack(">BI", 0xDD, HUGE),
    "order with bytes for a price": b"\x98\x10\x01\x01\x00" + struct.pack(">BI", 0xC6, HUGE),
    "order with arrays for a price": b"\x98\x10\x01\x01\x00" + b"\x91" * 60_000,
}


@pytest.mark.parametrize("bomb", ORDERS.values(), ids=ORDERS)
def test_bombs_in_orders_end_the_connection_or_are_refused_ses_020(attacked, bomb):
    def attack():
        with attacked.peer() as peer:
            peer.upgrade()
            peer.login(attacked.key["eve"])
            for _ in range(20):
                peer.send(masked(BINARY, bomb))
            return peer.next(REJECT)

    answer = attacked.survives(attack)
    assert answer[0] == 4003 or answer[:3] == [REJECT, 1, R.MALFORMED], answer


def test_a_ping_flood_with_pongs_unread_ends_the_connection_ses_042(attacked):
    def attack():
        with attacked.peer(receive_bytes=4_096) as peer:
            peer.upgrade()
            sent = 0
            while peer.send(masked(PING, bytes(125)) * 1_000) and sent < 100:
                sent += 1
            return peer.ending()

    assert attacked.survives(attack) in (1008, 0)  # Its own unread bytes may make the system forget the close frame.


def test_a_ping_flood_is_told_what_was_wrong_ses_042(attacked):
    assert ends(attacked, masked(PING) * 11) == 1008


def test_close_frames_without_end_are_answered_once_ses_001(attacked):
    def attack():
        with attacked.peer() as peer:
            peer.upgrade()
            peer.send(masked(CLOSE, b"\x03\xe8") * 10_000)
            return server_frames(peer.rest())

    frames = attacked.survives(attack)
    assert frames == [(CLOSE, b"\x03\xe8")] or frames == []  # As above.


def test_a_reader_that_never_reads_is_cut_off_ses_004(attacked):
    """It asks for a snapshot over and over; what it is owed stays below the limit and a second."""

    def attack():
        with attacked.peer(receive_bytes=4_096) as peer:
            peer.upgrade()
            peer.login(attacked.key["eve"])
            peer.message(4, 1, 5, None)
            asked = masked(BINARY, msgpack.packb([7, 1, 5, 1])) * 500
            began = time.monotonic()
            while time.monotonic() - began < PATIENCE_S:
                if not peer.push(asked):
                    return "cut off"
            return "kept"

    assert attacked.survives(attack) == "cut off"


def test_a_crowd_that_never_reads_is_cut_off_and_costs_no_more_than_its_backlogs_ses_004(attacked):
    """Four sessions that subscribe to everything, ask without end, and read nothing."""

    def attack():
        peers = [attacked.peer(receive_bytes=4_096).upgrade() for _ in range(4)]
        for lane, peer in enumerate(peers):
            peer.login(attacked.key["eve"], lane=lane)
            peer.message(4, 1, 2, None)
        asked, began, kept = masked(BINARY, msgpack.packb([7, 1, 5, 1])) * 500, time.monotonic(), peers
        while kept and time.monotonic() - began < PATIENCE_S:
            kept = [peer for peer in kept if peer.push(asked)]
        return len(kept)

    assert attacked.survives(attack) == 0


def test_orders_over_the_rate_are_refused_one_by_one_ses_024(attacked):
    """Twenty thousand at once: each is answered, most of them with RATE and the time to wait."""
    count = 20_000

    def attack():
        with attacked.peer() as peer:
            peer.upgrade()
            ref = peer.login(attacked.key["eve"])[5] + 1
            orders = (msgpack.packb([16, ref + at, 1, 0, 1, 1, 1, 0]) for at in range(count))
            peer.send(b"".join(masked(BINARY, order) for order in orders))
            answers = [peer.next(ACK, REJECT) for _ in range(count)]
            return {(answer[0], answer[2]) for answer in answers}, sum(answer[0] == ACK for answer in answers)

    kinds, taken = attacked.survives(attack)
    assert kinds == {(ACK, 0), (REJECT, R.RATE)}
    assert LIMITS["burst_orders"] <= taken < count // 2


def test_a_flood_of_logins_is_refused_before_it_is_checked_ses_008(attacked):
    def attack():
        attacker, endings = attacked.peer(), []
        address = attacker.socket.getsockname()[0]
        attacker.socket.close()
        for _ in range(50):
            with attacked.peer(address) as peer:
                endings.append(peer.upgrade().login(attacked.key["eve"], secret=bytes(32)))
        with attacked.peer(address) as peer:
            endings.append(peer.upgrade().login(attacked.key["eve"]))
        with attacked.peer() as other:
            welcome = other.upgrade().login(attacked.key["eve"])
        return endings, welcome[0]

    endings, welcome = attacked.survives(attack)
    assert endings == [(4001, "110 AUTH")] * 3 + [(4001, "120 RATE")] * 48
    assert welcome == 67


def test_requests_before_login_end_the_connection_ses_005(attacked):
    assert ends(attacked, masked(BINARY, msgpack.packb([4, 1, 1, None])) * 1_000) == 4001


def test_pings_of_the_protocol_before_login_are_answered_until_its_time_is_over_ses_007(attacked):
    """A hundred thousand of them do not hold up the trader, and do not win time."""

    def attack():
        with attacked.peer() as peer:
            peer.upgrade()
            flood, began = masked(BINARY, msgpack.packb([3, 1, 1])) * 1_000, time.monotonic()
            sent = 0
            while time.monotonic() - began < PATIENCE_S and peer.push(flood):
                sent += not peer.unsent
                while is_readable(peer) and peer.more():
                    peer.bytes = peer.bytes[-200:]
            peer.rest()
            return sent, peer.bytes[-40:]

    sent, end = attacked.survives(attack)
    assert sent > 10
    assert end.endswith(b"the login came too late")
