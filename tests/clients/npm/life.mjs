// The life of a client on `ws` and `@msgpack/msgpack`, written from docs/protocol.md and asyncapi.json alone.
//
// usage: node life.mjs SETTINGS, JSON with http, ws, symbol, form (msgpack or json), asyncapi (the document's path) and
// keys (id:secret of ann and bob). Prints what it saw as one JSON object; stops with an error where something is not as
// the page says.
import assert from "node:assert/strict";
import { Connection, Forms, hmac } from "./wire.mjs";

const settings = JSON.parse(process.argv[2]);
const forms = new Forms(settings.asyncapi, settings.form);
const L2 = 2, INSTRUMENTS = 5, BUY = 0, SELL = 1, GTG = 0, IOC = 1;

class Book {
  take({ t, first, seq, bids, asks }) {
    if (t === "l2_snap") this.sides = [new Map(), new Map()];
    else assert.equal(first, this.seq + 1, "deltas follow each other");
    this.seq = seq;
    [bids, asks].forEach((flat, side) => {
      for (let at = 0; at < flat.length; at += 2) {
        if (flat[at + 1] === 0) this.sides[side].delete(flat[at]);
        else this.sides[side].set(flat[at], flat[at + 1]);
      }
    });
  }

  levels() {
    return this.sides.map((side, at) => [...side].sort((one, other) => (at ? 1 : -1) * (one[0] - other[0])));
  }
}

class Client {
  constructor(key, options) {
    [this.key, this.secret] = key.split(":");
    this.connection = new Connection(settings.ws, forms, options);
    this.book = new Book();
    this.heartbeats = 0;
    this.ref = 0;
  }

  async next(...types) {
    for (;;) {
      const message = await this.connection.next();
      if (message === null) throw new Error("closed: " + this.connection.end);
      assert.equal(message.isBinary, settings.form === "msgpack", "the form of the login");
      if (message.t === "l2_snap" || message.t === "l2_delta") this.book.take(message);
      if (message.t === "heartbeat") {
        this.heartbeats += 1;
        this.connection.send({ t: "ping", ref: 0, ts: 0 });
      }
      if (["fill", "done", "replaced"].includes(message.t)) {
        assert.equal(message.pseq, this.pseq + 1, "pseq has no gaps");
        this.pseq = message.pseq;
      }
      if (types.length === 0 || types.includes(message.t)) return message;
    }
  }

  async login({ epoch = 0, last_pseq = 0, hb_ms = 1_000, secret = this.secret } = {}) {
    const hello = await this.next("hello");
    this.epoch = hello.epoch;
    const sig = forms.bytes(hmac(secret, forms.buffer(hello.nonce), this.key, String(hello.ts)));
    const terms = { lane: 0, cod: 0, grace_ms: 0, epoch, last_pseq, hb_ms };
    this.connection.send({ t: "login", ref: 1, key: this.key, ts: hello.ts, sig, ...terms });
    const welcome = await this.next("welcome");
    this.ref = welcome.last_ref;
    this.pseq = last_pseq || welcome.pseq;
    return welcome;
  }

  async order(t, fields) {
    this.ref += 1;
    this.connection.send({ t, ref: this.ref, ...fields });
    return this.answer(this.ref);
  }

  async answer(ref) {
    const message = await this.next("ack", "reject");
    assert.equal(message.ref, ref);
    return message;
  }

  async closed() {
    while (this.connection.end === null) await this.connection.next();
    return this.connection.end;
  }
}

const terms = (inst, side, px, qty, tif = GTG) => ({ inst, side, px, qty, tif, flags: 0 });

async function get(path, key) {
  const headers = {};
  if (key) {
    const [name, secret] = key.split(":");
    const ts = String(Date.now() * 1_000);
    headers["X-Hourglass-Key"] = name;
    headers["X-Hourglass-Ts"] = ts;
    headers["X-Hourglass-Signature"] = hmac(secret, "GET", path, ts).toString("hex");
  }
  return (await fetch(settings.http + path, { headers })).json();
}

async function trade(ann, bob, inst) {
  const ack = await ann.order("place", terms(inst, SELL, 2450, 5));
  assert.equal(ack.t, "ack");
  const ref = ann.ref;
  assert.equal((await bob.order("place", terms(inst, BUY, 2450, 2))).t, "ack");
  const bought = await bob.next("fill"), sold = await ann.next("fill");
  assert.deepEqual([sold.oid, sold.ref, sold.exec_id], [ack.oid, ref, bought.exec_id]);
  assert.deepEqual([sold.px, sold.qty, sold.cum, sold.leaves, sold.liq, bought.liq], [2450, 2, 2, 3, 0, 1]);
  await ann.order("replace", { oid: ack.oid, px: 2455, qty: 6, flags: 0 });
  const replaced = await ann.next("replaced");
  assert.deepEqual([replaced.px, replaced.qty, replaced.leaves], [2455, 6, 4]);
  await ann.order("cancel", { oid: ack.oid });
  const done = await ann.next("done");
  assert.deepEqual([done.ref, done.reason, done.cum], [ref, 0, 2]);
  return { fee: bought.fee, exec_id: bought.exec_id };
}

async function rejects(ann, inst) {
  const wrong = [
    ["place", terms(inst, BUY, 2400, 0)], ["place", terms(4_000, BUY, 2400, 1)], ["cancel", { oid: 1 }],
    ["place", { inst, side: 7 }],
  ];
  const codes = [];
  for (const [t, fields] of wrong) codes.push((await ann.order(t, fields)).code);
  return codes;
}

async function many(ann, bob, inst) {
  const first = ann.ref + 2;
  const ops = [
    { t: "place", ref: first, ...terms(inst, SELL, 2460, 1) }, { t: "place", ref: first + 1, ...terms(inst, SELL, 2461, 1) },
    { t: "cancel_ref", ref: first + 2, target_ref: first },
  ];
  ann.connection.send({ t: "batch", ref: ann.ref + 1, mode: 0, ops });
  assert.equal((await ann.next("batch_ack")).count, ops.length);
  for (const { ref } of ops) assert.equal((await ann.answer(ref)).t, "ack");
  ann.ref = first + 2;
  const legs = [[inst, 2440, 3, 2450, 3], [inst + 1, 2300, 1, 2600, 1]];
  const quoted = await ann.order("quote", { set: 1, legs, flags: 1 });
  assert.deepEqual([quoted.t, quoted.oid], ["ack", 0]);
  await bob.order("place", terms(inst, BUY, 2450, 1, IOC));
  assert.equal((await ann.next("fill")).ref, 0);
  await ann.order("mass_cancel", { inst: inst + 1, side: null, lane: null });
  return ops.length;
}

async function missed(ann, bob, inst) {
  await ann.order("place", terms(inst, SELL, 2450, 2));
  const { ref, pseq, epoch } = ann;
  ann.connection.socket.terminate();
  await bob.order("place", terms(inst, BUY, 2450, 2, IOC));
  await bob.next("fill");
  const again = new Client(settings.ann);
  const welcome = await again.login({ epoch, last_pseq: pseq });
  for (let told = pseq; told < welcome.pseq; told += 1) assert.equal((await again.next()).pseq, told + 1);
  again.connection.send({ t: "place", ref, ...terms(inst, SELL, 2450, 2) });
  assert.equal((await again.answer(ref)).code, 1, "done once, answered twice");
  return [again, welcome.pseq - pseq];
}

const ends = {
  async wrong_signature(client) { await client.login({ secret: "00" }).catch(() => {}); },
  async order_first(client) {
    await client.next("hello");
    client.connection.send({ t: "place", ref: 1, ...terms(1, BUY, 1, 1) });
  },
  async no_message(client) {
    await client.next("hello");
    client.connection.socket.send(settings.form === "json" ? "[]" : Buffer.from("c1", "hex"));
  },
  async silence(client) { await client.login({ hb_ms: 250 }); },
  async taken_over(client) {
    await client.login();
    const second = new Client(settings.ann);
    await second.login();
    second.connection.socket.close();
  },
  async logout(client) {
    await client.login();
    client.connection.send({ t: "logout", ref: 9, cancel: 1 });
    assert.deepEqual([(await client.next("resp")).code], [0]);
  },
};

const ann = new Client(settings.ann), bob = new Client(settings.bob, { perMessageDeflate: false });
const { perms } = await ann.login();
await bob.login();
// The library offers permessage-deflate unless told otherwise: it is not taken, and nothing else comes of it.
const report = { perms, offered: ann.connection.offered, agreed: ann.connection.socket.extensions };
assert.equal(ann.connection.answered, undefined, "no extension is answered");
ann.connection.send({ t: "ping", ref: 5, ts: 12345 });
assert.equal((await ann.next("pong")).ts_echo, 12345);
ann.connection.send({ t: "subscribe", ref: 6, chan: INSTRUMENTS, insts: null });
let instrument = await ann.next("instrument");
while (instrument.symbol !== settings.symbol) instrument = await ann.next("instrument");
const { inst } = instrument;
bob.connection.send({ t: "subscribe", ref: 7, chan: L2, insts: [inst] });
await bob.next("l2_snap");
Object.assign(report, await trade(ann, bob, inst));
report.rejects = await rejects(ann, inst);
report.batch = await many(ann, bob, inst);
const [again, told] = await missed(ann, bob, inst);
report.missed = told;
while (bob.heartbeats < 1) await bob.next("heartbeat");
report.bob = (await get("/v1/positions", settings.bob)).positions;
const book = await get("/v1/book?inst=" + encodeURIComponent(settings.symbol));
while (bob.book.seq < book.seq) await bob.next("l2_delta");
assert.deepEqual(bob.book.levels(), [book.bids, book.asks]);
report.book = bob.book.levels();
again.connection.socket.close();
bob.connection.socket.close();
report.closes = {};
for (const [name, use] of Object.entries(ends)) {
  const client = new Client(settings.ann);
  await use(client);
  report.closes[name] = await client.closed();
}
console.log(JSON.stringify(report));
