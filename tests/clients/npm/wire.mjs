// Both forms of the wire, by the names of asyncapi.json: messages are objects {t, field, ...} here, whatever is sent.
import { readFileSync } from "node:fs";
import { createHmac } from "node:crypto";
import { decode, encode } from "@msgpack/msgpack";
import WebSocket from "ws";

const WAIT_MS = 5_000;

function tables(path) {
  const byName = new Map(), byNumber = new Map();
  for (const message of Object.values(JSON.parse(readFileSync(path)).components.messages)) {
    if (message.contentType !== "application/msgpack") continue;
    const [head, ...fields] = message.payload.prefixItems;
    const row = { name: message.name, number: head.const, fields: fields.map((field) => field.title) };
    byName.set(row.name, row);
    byNumber.set(row.number, row);
  }
  return { byName, byNumber };
}

export class Forms {
  constructor(path, form) {
    this.isText = form === "json";
    Object.assign(this, tables(path));
  }

  write(message) {
    return this.isText ? JSON.stringify(message) : encode(this.array(message));
  }

  array(message) {
    const { number, fields } = this.byName.get(message.t);
    const given = fields.findLastIndex((name) => name in message) + 1;
    const values = fields.slice(0, given).map((name) => message[name] ?? null);
    return [number, ...values.map((value) => this.inner(value))];
  }

  inner(value) {  // Operations of a batch are messages too; bytes are hexadecimal in text only.
    if (Array.isArray(value) && value[0]?.t) return value.map((one) => this.array(one));
    return value;
  }

  read(data, isBinary) {
    if (!isBinary) return JSON.parse(data.toString());
    const [number, ...values] = decode(data);
    const row = this.byNumber.get(number);  // Types and elements one does not know are passed over.
    return row ? { t: row.name, ...Object.fromEntries(row.fields.map((name, at) => [name, values[at]])) } : {};
  }

  bytes(buffer) {
    return this.isText ? buffer.toString("hex") : buffer;
  }

  buffer(value) {
    return this.isText ? Buffer.from(value, "hex") : Buffer.from(value);
  }
}

export function hmac(secret, ...parts) {
  const sum = createHmac("sha256", Buffer.from(secret, "hex"));
  for (const part of parts) sum.update(part);
  return sum.digest();
}

export class Connection {
  constructor(url, forms, options = {}) {
    this.forms = forms;
    this.inbox = [];
    this.waiting = null;
    this.end = null;
    const finishRequest = (request) => {
      this.offered = String(request.getHeader("Sec-WebSocket-Extensions")).split(";")[0];
      request.end();
    };
    this.socket = new WebSocket(url + (forms.isText ? "?format=json" : ""), { ...options, finishRequest });
    this.socket.on("upgrade", (response) => { this.answered = response.headers["sec-websocket-extensions"]; });
    this.socket.on("message", (data, isBinary) => this.arrived({ ...forms.read(data, isBinary), isBinary }));
    this.socket.on("close", (code, reason) => { this.end = [code, reason.toString()]; this.arrived(null); });
    this.socket.on("error", (error) => { this.error = error; });
  }

  arrived(message) {
    this.inbox.push(message);
    this.waiting?.();
  }

  async next() {  // The next message; null: the connection is over.
    const late = Date.now() + WAIT_MS;
    while (this.inbox.length === 0) {
      if (Date.now() > late) throw new Error("nothing came");
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, WAIT_MS);
        this.waiting = () => { clearTimeout(timer); resolve(); };
      });
    }
    return this.inbox.shift();
  }

  send(message) {
    this.socket.send(this.forms.write(message));
  }
}
