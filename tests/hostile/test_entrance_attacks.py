"""Attacks before and at the WebSocket handshake, on a venue as a process."""

import random
import time

from attacked import LIMITS, PATIENCE_S, UPGRADE, new_address

LATE = b"HTTP/1.1 408 "
CROWD = 80


def crowd(attacked, opening):
    """Many connections of one address that begin in some way, and then wait; how each ended."""
    address = new_address()
    peers = [attacked.peer(address) for _ in range(CROWD)]
    for peer in peers:
        peer.send(opening)
    return [peer.rest() for peer in peers]


def test_half_sent_headers_are_not_waited_for_ses_040(attacked):
    endings = attacked.survives(lambda: crowd(attacked, UPGRADE[:-2]))
    assert {ending[: len(LATE)] for ending in endings} == {LATE}


def test_silent_connections_are_not_waited_for_ses_040(attacked):
    endings = attacked.survives(lambda: crowd(attacked, b""))
    assert {ending[: len(LATE)] for ending in endings} == {LATE}


def test_slow_loris_is_not_waited_for_ses_040(attacked):
    """One byte at a time, for as long as the venue listens."""

    def attack():
        with attacked.peer() as peer:
            began = time.monotonic()
            while time.monotonic() - began < PATIENCE_S:
                peer.send(b"x")
                time.sleep(0.02)
                peer.socket.setblocking(False)
                try:
                    if not peer.more():
                        return peer.bytes
                except BlockingIOError:
                    pass
                peer.socket.settimeout(PATIENCE_S)
            return b"still there"

    assert attacked.survives(attack).startswith(LATE)


def test_garbage_is_refused_ses_040(attacked):
    garbage = random.Random(7).randbytes(1 << 20).replace(b"\r\n\r\n", b"....")

    def attack():
        endings = []
        for _ in range(20):
            with attacked.peer() as peer:
                peer.send(garbage)
                endings.append(peer.rest())
        return endings

    assert {ending[:13] for ending in attacked.survives(attack)} == {b"HTTP/1.1 431 "}


def test_a_flood_of_connections_from_one_address_is_capped_ses_041(attacked):
    """Those within the address's limit stay, the others are told why they do not; other addresses do not notice."""
    most = LIMITS["connections_per_address_max"]

    def attack():
        address, taken, refused = new_address(), [], []
        for _ in range(most + 60):
            peer = attacked.peer(address)
            peer.send(UPGRADE)
            assert peer.more()
            (taken if peer.bytes.startswith(b"HTTP/1.1 101 ") else refused).append(peer)
        with attacked.peer() as other:
            other.upgrade()
        texts = {peer.rest().partition(b"\r\n\r\n")[2] for peer in refused}
        for peer in taken:
            peer.socket.close()
        return len(taken), len(refused), texts

    taken, refused, texts = attacked.survives(attack)
    assert (taken, refused) == (most, 60)
    assert texts == {b"too many connections from this address"}


def test_connections_that_come_and_go_too_fast_are_refused_ses_041(attacked):
    def attack():
        address, statuses = new_address(), []
        for _ in range(2 * LIMITS["burst_handshakes_per_address"]):
            with attacked.peer(address) as peer:
                peer.send(UPGRADE)
                peer.more()
                statuses.append(peer.bytes[9:12])
        return statuses

    statuses = attacked.survives(attack)
    assert set(statuses) == {b"101", b"429"}
    assert statuses[: LIMITS["burst_handshakes_per_address"]].count(b"429") == 0


def test_pipelined_requests_whose_answers_are_not_read_stop_being_read(attacked):
    """HTTP without end: the venue stops reading, and gives up the connection when it is idle at last."""

    def attack():
        with attacked.peer(receive_bytes=4_096) as peer:
            peer.socket.settimeout(1)
            request, sent = b"GET /v1/instruments HTTP/1.1\r\nHost: x\r\n\r\n" * 100, 0
            try:
                while sent < 64 << 20 and peer.send(request):
                    sent += len(request)
            except TimeoutError:
                pass
            return sent

    assert attacked.survives(attack) < 64 << 20
