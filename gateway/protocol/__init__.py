"""The wire: numbers, fields, the table of messages, how requests are read, and the text form.

A message is one msgpack array in one binary frame: its type number, then its fields in order. In a text frame it is a
JSON object with the fields by name. docs/protocol.md is the page for those who write clients.
"""

from ext.frames import WireError
from gateway.protocol.errors import CCXT, CLOSE_TEXT
from gateway.protocol.messages import BY_NAME, BY_NUMBER, MESSAGES, REPLIES, REQUESTS, Message
from gateway.protocol.numbers import (
    BOOK_DEPTHS,
    CANDLE_INTERVALS_S,
    CONFLATE_MS_MAX,
    CONFLATE_MS_MIN,
    EPOCH,
    INTEGER_MAX,
    NONCE_BYTES,
    SIGNATURE_BYTES,
    VERSION,
    CancelOnDisconnect,
    Channel,
    CloseCode,
    MessageType,
    Stream,
)
from gateway.protocol.requests import (
    DEFAULTS,
    ORDER_TYPES,
    ClearingRequest,
    Deadman,
    Login,
    Logout,
    Options,
    Ping,
    Replay,
    Request,
    RequestError,
    Snapshot,
    StatusQuery,
    Subscribe,
    Unsubscribe,
    malformed,
    pack,
    parse,
    unpack,
)

__all__ = [
    "BOOK_DEPTHS", "BY_NAME", "BY_NUMBER", "CANDLE_INTERVALS_S", "CCXT", "CLOSE_TEXT", "CONFLATE_MS_MAX",
    "CONFLATE_MS_MIN", "DEFAULTS", "EPOCH", "INTEGER_MAX", "MESSAGES", "NONCE_BYTES", "ORDER_TYPES", "REPLIES",
    "REQUESTS", "SIGNATURE_BYTES", "VERSION", "CancelOnDisconnect", "Channel", "ClearingRequest", "CloseCode",
    "Deadman", "Login", "Logout", "Message", "MessageType", "Options", "Ping", "Replay", "Request", "RequestError",
    "Snapshot", "StatusQuery", "Stream", "Subscribe", "Unsubscribe", "WireError", "malformed", "pack", "parse",
    "unpack",
]  # fmt: skip
