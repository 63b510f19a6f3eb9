"""The life of a client on `websockets` and `msgpack`, written from docs/protocol.md and nothing else.

usage: websockets_life.py SETTINGS, JSON with http, ws, symbol and keys (``id:secret`` of ann and bob). Prints what it
saw as one JSON object; stops with an error where something is not as the page says.
"""

import asyncio
import hashlib
import hmac
import json
import sys
import time
import urllib.parse
import urllib.request

import msgpack
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

LOGIN, LOGOUT, PING, SUBSCRIBE = 1, 2, 3, 4
PLACE, CANCEL, CANCEL_REF, REPLACE, BATCH, MASS_CANCEL, QUOTE, STATUS_QUERY = 16, 17, 18, 19, 20, 21, 22, 27
ACK, REJECT, FILL, BATCH_ACK, DONE, REPLACED = 33, 34, 35, 36, 37, 38
HELLO, PONG, RESP, WELCOME, L2_SNAP, L2_DELTA, INSTRUMENT, HEARTBEAT = 64, 65, 66, 67, 98, 99, 103, 104
L2, INSTRUMENTS = 2, 5
BUY, SELL = 0, 1
HEARTBEAT_MS = 1_000


def now_us():
    return time.time_ns() // 1_000


def expect(is_so, what):
    if not is_so:
        raise SystemExit(f"not as the page says: {what}")


class Book:
    """One instrument's depth, kept by seq."""

    def __init__(self):
        self.seq = None
        self.sides = ({}, {})

    def take(self, message):
        kind, _, *rest = message
        if kind == L2_SNAP:
            self.seq, _, bids, asks = rest
            self.sides = ({}, {})
        else:
            first, seq, _, bids, asks = rest
            expect(first == self.seq + 1, f"delta of {first} after {self.seq}")
            self.seq = seq
        for side, flat in zip(self.sides, (bids, asks), strict=True):
            side.update(zip(flat[::2], flat[1::2], strict=True))
            for px in [px for px, qty in side.items() if qty == 0]:
                del side[px]

    def levels(self):
        bids, asks = self.sides
        return [[list(one) for one in sorted(bids.items(), reverse=True)], [list(one) for one in sorted(asks.items())]]


class Client:
    """One connection; heartbeats are answered as they are met, market data goes to the book."""

    def __init__(self, socket, key):
        self.socket = socket
        self.key, _, secret = key.partition(":")
        self.secret = bytes.fromhex(secret)
        self.book = Book()
        self.ref = 0
        self.pseq = 0
        self.heartbeats = 0

    async def send(self, *message):
        await self.socket.send(msgpack.packb(message))

    async def next(self, *types):
        """The next message of some types (none: of any); books, heartbeats and pseq are looked after on the way."""
        while True:
            message = msgpack.unpackb(await asyncio.wait_for(self.socket.recv(), 5))
            if message[0] in (L2_SNAP, L2_DELTA):
                self.book.take(message)
            if message[0] == HEARTBEAT:
                self.heartbeats += 1
                await self.send(PING, 0, now_us())
            if message[0] in (FILL, DONE, REPLACED):
                expect(message[1] == self.pseq + 1, f"pseq {message[1]} after {self.pseq}")
                self.pseq = message[1]
            if message[0] in types or not types:
                return message

    async def login(self, *, epoch=0, last_pseq=0, hb_ms=HEARTBEAT_MS, spoil=b""):
        hello = await self.next()
        expect(hello[0] == HELLO and hello[1][0] == 1, "hello comes first, of version 1")
        _, _, self.epoch, nonce, ts, _, _ = hello
        sig = hmac.digest(self.secret, nonce + self.key.encode() + str(ts).encode() + spoil, hashlib.sha256)
        await self.send(LOGIN, 1, self.key, ts, sig, 0, 0, 0, epoch, last_pseq, hb_ms)
        welcome = await self.next(WELCOME)
        self.ref = max(self.ref, welcome[5])
        self.pseq = last_pseq or welcome[6]
        return welcome

    async def order(self, kind, *fields):
        """Send a command with a new ref; return its answer, ack or reject."""
        self.ref += 1
        await self.send(kind, self.ref, *fields)
        return await self.answer(self.ref)

    async def answer(self, ref):
        message = await self.next(ACK, REJECT)
        expect(message[1] == ref, f"the answer to {ref}, was {message}")
        return message


async def closed(client):
    """The code and reason with which the server ends a connection."""
    try:
        while True:
            await client.next()
    except ConnectionClosed as error:
        return [error.rcvd.code, error.rcvd.reason]


async def refused(settings, use):
    """How a connection ends that does something it must not."""
    async with connect(settings["ws"]) as socket:
        client = Client(socket, settings["ann"])
        try:
            await use(client)
        except ConnectionClosed as error:
            return [error.rcvd.code, error.rcvd.reason]
        return await closed(client)


def get(settings, path, key=None):
    """A JSON answer of the HTTP side, signed where a key is given."""
    request = urllib.request.Request(settings["http"] + path)
    if key is not None:
        name, _, secret = key.partition(":")
        ts = now_us()
        signature = hmac.digest(bytes.fromhex(secret), f"GET{path}{ts}".encode(), hashlib.sha256).hex()
        for header, value in (("Key", name), ("Ts", str(ts)), ("Signature", signature)):
            request.add_header(f"X-Hourglass-{header}", value)
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


async def trade(ann, bob, inst):
    """A sell of ann's, bought in part by bob; then amended and cancelled."""
    ack = await ann.order(PLACE, inst, SELL, 2450, 5, 0, 0)
    expect(ack[0] == ACK and ack[2] == 0, f"an ack, was {ack}")
    oid, ref = ack[3], ann.ref
    taken = await bob.order(PLACE, inst, BUY, 2450, 2, 0, 0)
    expect(taken[0] == ACK, f"an ack, was {taken}")
    bought, sold = await bob.next(FILL), await ann.next(FILL)
    expect(sold[2:4] == [oid, ref] and sold[4] == bought[4], "one exec_id on both sides")
    expect(sold[7:12] == [2450, 2, 2, 3, 0] and bought[7:12] == [2450, 2, 2, 0, 1], "px qty cum leaves liq")
    amended = await ann.order(REPLACE, oid, 2455, 6, 0)
    replaced = await ann.next(REPLACED)
    expect(amended[3] == oid and replaced[4:7] == [2455, 6, 4], f"ack of the order, then replaced, was {replaced}")
    await ann.order(CANCEL, oid)
    done = await ann.next(DONE)
    expect(done[2:6] == [oid, ref, 0, 2], f"done by USER after 2, was {done}")
    return {"fee": bought[12], "exec_id": bought[4]}


async def rejects(ann, inst):
    """What is refused, with its code; the connection stays."""
    codes = []
    for kind, *fields in (
        (PLACE, inst, BUY, 2400, 0, 0, 0), (PLACE, 4_000, BUY, 2400, 1, 0, 0), (CANCEL, 1), (PLACE, inst, 7),
        (PLACE, inst, BUY, 2400, 1, 0, 0, 0, 0, 0, 0, 0, "more"),
    ):  # fmt: skip
        codes.append((await ann.order(kind, *fields))[2])
    return codes


async def many(ann, bob, inst):
    """A batch frame, a mass quote, and the end of all of it."""
    first = ann.ref + 2
    ops = [[PLACE, first, inst, SELL, 2460, 1, 0, 0], [PLACE, first + 1, inst, SELL, 2461, 1, 0, 0],
           [CANCEL_REF, first + 2, first]]  # fmt: skip
    await ann.send(BATCH, ann.ref + 1, 0, ops)
    ann.ref = first + 2
    batch_ack = await ann.next(BATCH_ACK)
    answers = [await ann.answer(ref) for ref in range(first, first + 3)]
    expect(batch_ack[2] == 3 and all(one[0] == ACK for one in answers), "each operation is answered")
    quoted = await ann.order(QUOTE, 1, [[inst, 2440, 3, 2450, 3], [inst + 1, 2300, 1, 2600, 1]], 1)
    expect(quoted[0] == ACK and quoted[3] == 0, f"one ack of the quote, was {quoted}")
    await bob.order(PLACE, inst, BUY, 2450, 1, 1, 0)
    expect((await ann.next(FILL))[3] == 0, "the fill of a quote has ref 0")
    await ann.order(MASS_CANCEL, inst + 1, None, None)
    return len(ops)


async def missed(settings, ann, bob, inst):
    """Ann's connection is lost; bob trades meanwhile, and she is told when she is back."""
    await ann.order(PLACE, inst, SELL, 2450, 2, 0, 0)
    lost, ref = ann.pseq, ann.ref
    ann.socket.transport.abort()
    await bob.order(PLACE, inst, BUY, 2450, 2, 1, 0)
    await bob.next(FILL)
    socket = await connect(settings["ws"])
    again = Client(socket, settings["ann"])
    welcome = await again.login(epoch=ann.epoch, last_pseq=lost)
    told = [await again.next() for _ in range(welcome[6] - lost)]
    expect([one[1] for one in told] == list(range(lost + 1, welcome[6] + 1)), "what was missed, without a gap")
    await again.send(PLACE, ref, inst, SELL, 2450, 2, 0, 0)
    expect((await again.answer(ref))[2] == 1, "a ref used before is answered with code 1")
    await again.send(STATUS_QUERY, 0, ref)
    expect((await again.answer(ref))[2] == 1, "so is a query of its outcome")
    return again, len(told)


async def ends(settings):
    """Every way to be closed that takes no waiting, and the one that takes a little."""

    async def wrong_signature(client):
        await client.login(spoil=b"x")

    async def order_first(client):
        await client.send(PLACE, 1, 1, 0, 1, 1, 0, 0)

    async def no_message(client):
        await client.socket.send(b"\xc1")

    async def silence(client):
        await client.login(hb_ms=250)
        while True:
            await client.socket.recv()

    async def taken_over(client):
        await client.login()
        async with connect(settings["ws"]) as second:
            await Client(second, settings["ann"]).login()

    async def logout(client):
        await client.login()
        await client.send(LOGOUT, 9, 1)
        expect((await client.next(RESP))[1:3] == [9, 0], "logout is answered")

    uses = (wrong_signature, order_first, no_message, silence, taken_over, logout)
    return {use.__name__: await refused(settings, use) for use in uses}


async def main(settings):
    report = {}
    async with connect(settings["ws"]) as one, connect(settings["ws"], compression=None) as other:
        # The library offers permessage-deflate unless told otherwise: it is not taken, and nothing else comes of it.
        report["offered"] = one.request.headers["Sec-WebSocket-Extensions"].partition(";")[0]
        report["agreed"] = [extension.name for extension in one.protocol.extensions]
        ann, bob = Client(one, settings["ann"]), Client(other, settings["bob"])
        welcome, _ = await ann.login(), await bob.login()
        report["perms"] = welcome[9]
        await ann.send(PING, 5, 12345)
        expect((await ann.next(PONG))[1:3] == [5, 12345], "the ping's number and time come back")
        await ann.send(SUBSCRIBE, 6, INSTRUMENTS, None)
        instrument = await ann.next(INSTRUMENT)
        while instrument[2] != settings["symbol"]:
            instrument = await ann.next(INSTRUMENT)
        inst = instrument[1]
        await bob.send(SUBSCRIBE, 7, L2, [inst])
        await bob.next(L2_SNAP)
        report |= await trade(ann, bob, inst)
        report["rejects"] = await rejects(ann, inst)
        report["batch"] = await many(ann, bob, inst)
        ann, report["missed"] = await missed(settings, ann, bob, inst)
        while bob.heartbeats < 1:
            await bob.next(HEARTBEAT)
        report["bob"] = get(settings, "/v1/positions", settings["bob"])["positions"]
        book = get(settings, "/v1/book?inst=" + urllib.parse.quote(settings["symbol"], safe=""))
        while bob.book.seq < book["seq"]:
            await bob.next(L2_DELTA)
        expect(bob.book.levels() == [book["bids"], book["asks"]], f"one book, was {bob.book.levels()} and {book}")
        report["book"] = bob.book.levels()
        await ann.socket.close()
    report["closes"] = await ends(settings)
    print(json.dumps(report), file=sys.stdout)


asyncio.run(main(json.loads(sys.argv[1])))
