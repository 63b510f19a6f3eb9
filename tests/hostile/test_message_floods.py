"""Attacks with messages of good form, only too many: subscriptions, and the text form, on a venue as a process."""

import json
import time

import msgpack
import pytest
from attacked import LIMITS, PATIENCE_S
from test_frames import BINARY, CLOSE, TEXT, masked

from exchange.reasons import RejectReason as R
from gateway.auth import sign

RESP = 66
COUNT = 6_000  # Three times what a session may ask at once.
READING = 500


def request(*fields):
    return masked(BINARY, msgpack.packb(fields))


def text(**fields):
    return masked(TEXT, json.dumps(fields).encode())


def logged_in(attacked, **options):
    """A session of eve's."""
    peer = attacked.peer(**options).upgrade()
    peer.login(attacked.key["eve"])
    return peer


def texting(attacked, **options):
    """A session of eve's that is answered in text."""
    peer, key, ts = attacked.peer(**options).upgrade(), attacked.key["eve"], time.time_ns() // 1_000
    login = {"key": key.key_id, "ts": ts, "sig": sign(key.secret, peer.nonce, key.key_id, ts).hex()}
    peer.send(text(t="login", ref=1, **login, lane=0, cod=0, grace_ms=0, epoch=0, last_pseq=0))
    peer.welcome = next_text(peer, "welcome")
    return peer


def next_text(peer, *names):
    """The next text message of one of the names, or the code that the connection was closed with."""
    while (frame := peer.frame()) is not None:
        opcode, payload = frame
        if opcode == CLOSE:
            return int.from_bytes(payload[:2], "big")
        told = json.loads(payload) if opcode == TEXT else {"t": None}
        if told["t"] in names:
            return told
    return 0


def codes(peer, messages):
    """The codes of the answers to many requests, a part of them sent at a time."""
    found = []
    for at in range(0, len(messages), READING):
        some = messages[at : at + READING]
        peer.send(b"".join(some))
        found += [peer.next(RESP)[2] for _ in some]
    return found


def test_a_flood_of_subscriptions_is_refused_by_number_and_by_rate_ses_047(attacked):
    """They are kept up to their limit; those beyond are refused, and at last asking is too much, too."""

    def attack():
        with logged_in(attacked) as peer:
            return codes(peer, [request(4, ref, 1 + ref % 3, None) for ref in range(COUNT)])

    found = attacked.survives(attack)
    assert set(found) == {0, R.OPEN_LIMIT, R.RATE}
    assert found.count(0) < found.count(R.RATE)


def test_subscriptions_that_come_and_go_are_refused_by_rate_ses_047(attacked):
    """Each begins with a snapshot and ends at once, so none is too many: the rate ends it."""

    def attack():
        with logged_in(attacked) as peer:
            pairs = [(request(4, at, 2, None), request(5, at, at + 1)) for at in range(COUNT // 2)]
            return codes(peer, [message for pair in pairs for message in pair])

    found = attacked.survives(attack)
    assert {0, R.RATE} <= set(found) <= {0, R.RATE, R.MALFORMED}  # What was not begun cannot be ended.
    assert found.count(R.RATE) > COUNT // 4


def test_a_crowd_that_subscribes_and_reads_nothing_is_cut_off_ses_004(attacked):
    """Sessions of one account, each on a lane of its own, that subscribe to all there is again and again."""

    def attack():
        peers = []
        for lane in range(4):
            peers.append(attacked.peer(receive_bytes=4_096).upgrade())
            peers[-1].login(attacked.key["eve"], lane=lane)
        flood = b"".join(request(4, 1, 2, None) + request(7, 1, 5, 1) for _ in range(READING))
        began, kept = time.monotonic(), peers
        while kept and time.monotonic() - began < PATIENCE_S:
            kept = [peer for peer in kept if peer.push(flood)]
        return len(kept)

    assert attacked.survives(attack) == 0


def test_text_orders_over_the_rate_are_refused_one_by_one_ses_060(attacked):
    count = 2 * LIMITS["burst_orders"]

    def attack():
        with texting(attacked) as peer:
            ref, found = peer.welcome["last_ref"] + 1, []
            order = {"t": "place", "inst": 1, "side": 0, "px": 1, "qty": 1, "tif": 1, "flags": 0}
            for first in range(0, count, READING):
                peer.send(b"".join(text(**order, ref=ref + at) for at in range(first, first + READING)))
                told = [next_text(peer, "ack", "reject") for _ in range(READING)]
                found += [(one["t"], one["code"]) for one in told]
            return found

    found = attacked.survives(attack)
    assert set(found) <= {("ack", 0), ("reject", R.RATE)}
    assert found.count(("ack", 0)) >= LIMITS["burst_orders"] // 2


def test_a_flood_of_text_requests_is_refused_by_rate_ses_060(attacked):
    def attack():
        with texting(attacked) as peer:
            found = []
            for _ in range(COUNT // READING):
                peer.send(text(t="snapshot", ref=1, chan=2, inst=1) * READING)
                found += [next_text(peer, "resp")["code"] for _ in range(READING)]
            return found

    assert set(attacked.survives(attack)) == {0, R.RATE}


LONGEST = 65_000
BOMBS = {
    "nested lists": b"[" * LONGEST,
    "nested objects": b'{"t":' * (LONGEST // 5),
    "endless number": b'{"t":"ping","ref":1,"ts":' + b"9" * LONGEST + b"}",
    "endless name": b'{"t":"' + b"p" * LONGEST + b'","ref":1}',
    "many names": b'{"t":"ping","ref":1,' + b",".join(b'"%d":1' % at for at in range(6_000)) + b"}",
    "one name again and again": b'{"t":"ping","ref":1,' + b",".join([b'"ts":1'] * 8_000) + b"}",
    "batch of batches": b'{"t":"batch","ref":1,"mode":0,"ops":[%s]}' % b",".join([b'{"t":"batch","ops":[]}'] * 2_000),
    "escapes": b'{"t":"ping","ref":1,"ts":"' + b"\\u0000" * (LONGEST // 7) + b'"}',
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_text_bombs_end_the_connection_or_are_refused_ses_060(attacked, bomb):
    """Twenty at once; before the next message everything of each is answered or over."""

    def attack():
        with texting(attacked) as peer:
            peer.send(masked(TEXT, bomb) * 20)
            return next_text(peer, "resp", "reject")

    answer = attacked.survives(attack)
    assert answer == 4003 or answer["code"] in (R.MALFORMED, R.UNKNOWN_TYPE), answer


def test_a_text_reader_that_never_reads_is_cut_off_ses_061(attacked):
    """What is told in text is longer than what is kept for it; it counts as it is."""

    def attack():
        with texting(attacked, receive_bytes=4_096) as peer:
            asked = text(t="snapshot", ref=1, chan=5, inst=1) * READING
            began = time.monotonic()
            while time.monotonic() - began < PATIENCE_S:
                if not peer.push(asked):
                    return "cut off"
            return "kept"

    assert attacked.survives(attack) == "cut off"
