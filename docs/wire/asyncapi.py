"""The AsyncAPI 3.0 document of the WebSocket: every message, as an array and as an object."""

from typing import Any

from gateway.protocol import BY_NUMBER, MESSAGES, REQUESTS, VERSION, Message, MessageType
from gateway.protocol.fields import Form, Kind

Schema = dict[str, Any]
ANSWERS = {
    MessageType.LOGIN: MessageType.WELCOME,
    MessageType.PING: MessageType.PONG,
    MessageType.BATCH: MessageType.BATCH_ACK,
}


def schema_of(kind: Kind, in_text: bool) -> Schema:
    """Return the JSON Schema of a field."""
    schema = _plain(kind, in_text)
    schema["description"] = kind.doc
    if kind.nullable and kind.form is not Form.NIL:
        schema["type"] = [schema["type"], "null"]
    return schema


def _plain(kind: Kind, in_text: bool) -> Schema:
    if kind.form is Form.NIL:
        return {"type": "null"}
    if kind.form is Form.INTEGER:
        return {"type": "integer", "minimum": kind.low, "maximum": kind.high}
    if kind.form is Form.TEXT:
        return {"type": "string", "maxLength": kind.high}
    if kind.form is Form.BYTES:
        if in_text:
            return {"type": "string", "pattern": "^([0-9a-f]{2})*$", "maxLength": 2 * kind.high}
        return {"type": "string", "format": "binary", "maxLength": kind.high}
    if kind.form is Form.MESSAGE:
        return {"type": "object" if in_text else "array"}
    items: Schema = {"type": "object" if in_text else "array"} if kind.form is Form.MESSAGES else _item(kind)
    return {"type": "array", "maxItems": kind.most, "items": items}


def _item(kind: Kind) -> Schema:
    if kind.of_text:
        return {"type": "string"}
    number = {"type": "integer", "minimum": kind.low, "maximum": kind.high}
    return {"type": "array", "items": number, "minItems": kind.row, "maxItems": kind.row} if kind.row else number


def array_of(message: Message) -> Schema:
    """Return the schema of a binary frame's array."""
    fields = [{"title": name, **schema_of(message.kind(name), False)} for name in message.names]
    return {
        "type": "array", "prefixItems": [{"title": "type", "const": int(message.number)}, *fields],
        "minItems": 1 + message.required, "items": message not in REQUESTS,
    }  # fmt: skip


def object_of(message: Message) -> Schema:
    """Return the schema of a text frame's object."""
    names = message.names
    return {
        "type": "object",
        "properties": {"t": {"const": message.name}} | {name: schema_of(message.kind(name), True) for name in names},
        "required": ["t", *names[: message.required]], "additionalProperties": message not in REQUESTS,
    }  # fmt: skip


def described(message: Message, form: str) -> Schema:
    """Return a message in one of its forms."""
    content = {"msgpack": "application/msgpack", "json": "application/json"}[form]
    payload = array_of(message) if form == "msgpack" else object_of(message)
    return {
        "name": message.name, "title": f"{message.number:d} {message.name}", "description": message.doc,
        "contentType": content, "payload": payload,
    }  # fmt: skip


def document() -> Schema:
    """Return the document."""
    rows = {f"{message.name}.{form}": described(message, form) for message in MESSAGES for form in ("msgpack", "json")}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hourglass",
            "version": ".".join(map(str, VERSION)),
            "description": "Binary frames are msgpack arrays, text frames JSON objects. See protocol.md.",
        },
        "channels": {
            "ws": {
                "address": "/ws/v1",
                "description": "One frame is one message.",
                "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in rows},
            }
        },
        "operations": _operations(),
        "components": {"messages": rows},
    }


def _operations() -> Schema:
    operations: Schema = {}
    for message in MESSAGES:
        told = {"action": "receive" if message in REQUESTS else "send", "channel": {"$ref": "#/channels/ws"}}
        told["messages"] = _refs(message)
        if message in REQUESTS and (answer := _answer(message)) is not None:
            told["reply"] = {"channel": {"$ref": "#/channels/ws"}, "messages": _refs(BY_NUMBER[answer])}
        operations[message.name] = told
    return operations


def _answer(message: Message) -> MessageType:
    """Return what a request is answered with when all is well."""
    is_order = 16 <= message.number < 32
    return ANSWERS.get(message.number, MessageType.ACK if is_order else MessageType.RESP)


def _refs(message: Message) -> list[Schema]:
    return [{"$ref": f"#/channels/ws/messages/{message.name}.{form}"} for form in ("msgpack", "json")]
