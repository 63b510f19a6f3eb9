"""The OpenAPI 3.1 document of the HTTP side."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from docs.wire.asyncapi import object_of
from exchange.catalogue import Product
from exchange.reasons import RejectReason
from gateway.account_api import ROWS_MAX
from gateway.protocol import BY_NAME, CANDLE_INTERVALS_S, VERSION
from gateway.signing import KEY, SIGNATURE, TIME

Schema = dict[str, Any]
INTEGER: Schema = {"type": "integer"}
TEXT: Schema = {"type": "string"}
LEVELS: Schema = {"type": "array", "items": {"type": "array", "prefixItems": [INTEGER, INTEGER]}}
OPEN = ("oid", "side", "qty", "cum", "leaves", "tag")


class Endpoint(NamedTuple):
    """One path, always read with GET."""

    path: str
    summary: str
    answer: Schema
    query: Mapping[str, Schema] = MappingProxyType({})
    is_signed: bool = False
    form: str = "application/json"


def object_with(**fields: Schema) -> Schema:
    """Return the schema of an object whose fields are always there."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def rows(name: str, item: Schema, **more: Schema) -> Schema:
    """Return the schema of an object with a list."""
    return object_with(**{name: {"type": "array", "items": item}}, **more)


def integers(*names: str) -> Schema:
    """Return the schema of an object of whole numbers."""
    return object_with(**dict.fromkeys(names, INTEGER))


ORDER = object_with(**dict.fromkeys((*OPEN, "inst", "px"), INTEGER), symbol=TEXT)
BLOCK = object_with(
    **dict.fromkeys((*OPEN, "lane", "ref", "product", "start", "hours", "limit_total"), INTEGER), name=TEXT,
    fabrics={"type": "array", "items": INTEGER},
)  # fmt: skip
POSITION = object_with(symbol=TEXT, **dict.fromkeys(("inst", "net", "open_buy", "open_sell"), INTEGER))
INSTRUMENT = object_of(BY_NAME["instrument"]) | {"required": BY_NAME["instrument"].names}
POINT: Schema = {"type": "array", "prefixItems": [INTEGER, INTEGER]}
CURVE = rows("points", POINT, ts=INTEGER, index={"type": ["integer", "null"]}, **{"class": TEXT})
TERMS = {name: {"type": "string" if name in ("name", "zone") else "integer"} for name in Product.__annotations__}
PRODUCT = object_with(number=INTEGER, **TERMS | {"fabrics": {"type": "array", "items": TEXT}})
TICKER = object_with(
    symbol=TEXT, **dict.fromkeys(("inst", "state", "bid_px", "bid_qty", "ask_px", "ask_qty"), INTEGER),
)  # fmt: skip
SINCE = {"since_pseq": INTEGER, "limit": {"type": "integer", "maximum": ROWS_MAX}}

ENDPOINTS = (
    Endpoint("/health", "The state of the server; 503 while it is about to stop.", object_with(status=TEXT)),
    Endpoint("/metrics", "Metrics for Prometheus.", TEXT, form="text/plain"),
    Endpoint("/v1/time", "The server's clock, microseconds.", integers("ts")),
    Endpoint("/v1/instruments", "All instruments, or those of a product.",
             rows("instruments", INSTRUMENT), {"product": TEXT}),
    Endpoint("/v1/products", "All products, with all their terms.", rows("products", PRODUCT)),
    Endpoint("/v1/tickers", "The best prices of all instruments, of a product's, or of one, a handle or a symbol.",
             rows("tickers", TICKER, ts=INTEGER), {"product": TEXT, "inst": TEXT}),
    Endpoint("/v1/book", "The depth of an instrument, a handle or a symbol.",
             object_with(inst=INTEGER, seq=INTEGER, ts=INTEGER, bids=LEVELS, asks=LEVELS),
             {"inst": TEXT, "depth": {"type": "integer", "maximum": 1_000}}),
    Endpoint("/v1/strips", "The listed strips with their prices.", rows("strips", {"type": "object"}, ts=INTEGER),
             {"product": TEXT, "fabric": TEXT}),
    Endpoint("/v1/indices", "The index of each hardware class, micro-dollars per SCU-hour.",
             object_with(indices={"type": "object", "additionalProperties": INTEGER}, ts=INTEGER)),
    Endpoint("/v1/trades", "The last trades of an instrument, the oldest first.",
             rows("trades", integers("seq", "ts", "trade_id", "px", "qty", "aggressor", "flags"), inst=INTEGER),
             {"inst": TEXT, "limit": {"type": "integer", "maximum": 1_000}}),
    Endpoint("/v1/candles", "Candles of an instrument that begin from `from` on and before `to`, the oldest first.",
             rows("candles", integers("t0", "o", "h", "l", "c", "v", "n", "closed"), inst=INTEGER, interval_s=INTEGER),
             {"inst": TEXT, "interval": {"type": "integer", "enum": list(CANDLE_INTERVALS_S)}, "from": INTEGER,
              "to": INTEGER, "limit": INTEGER}),
    Endpoint("/v1/curve", "The forward curve of a hardware class, and its index.", CURVE, {"class": TEXT}),
    Endpoint("/v1/orders", "Open orders and blocks.",
             rows("orders", ORDER, blocks={"type": "array", "items": BLOCK}), is_signed=True),
    Endpoint("/v1/orders/{oid}", "One open order or block by its handle.", {"type": "object"}, is_signed=True),
    Endpoint("/v1/orders/ref/{lane}/{ref}", "One open order or block by its lane and ref.", {"type": "object"},
             is_signed=True),
    Endpoint("/v1/orders/tag/{tag}", "Open orders and blocks with a tag.",
             rows("orders", ORDER, blocks={"type": "array", "items": BLOCK}), is_signed=True),
    Endpoint("/v1/fills", "Fills after a private message.", rows("fills", object_of(BY_NAME["fill"])), SINCE,
             is_signed=True),
    Endpoint("/v1/events", "Private messages after one of them.", rows("events", {"type": "object"}), SINCE,
             is_signed=True),
    Endpoint("/v1/positions", "Lots held and in open orders.",
             rows("positions", POSITION), is_signed=True),
    Endpoint("/v1/margin", "Money, micro-dollars.", integers("cash", "reserved", "available"), is_signed=True),
    Endpoint("/v1/limits", "Rates.", integers("orders_per_s", "burst_orders", "cancels_per_s", "burst_cancels"),
             is_signed=True),
)  # fmt: skip


def described(endpoint: Endpoint) -> Schema:
    """Return the operation of an endpoint."""
    in_path = [{"name": name, "in": "path", "required": True, "schema": INTEGER}
               for name in re.findall(r"{(\w+)}", endpoint.path)]  # fmt: skip
    in_query = [{"name": name, "in": "query", "schema": schema} for name, schema in endpoint.query.items()]
    operation: Schema = {
        "summary": endpoint.summary, "parameters": [*in_path, *in_query],
        "responses": {
            "200": {"description": "The answer.", "content": {endpoint.form: {"schema": endpoint.answer}}},
            "default": {"$ref": "#/components/responses/refusal"},
        },
    }  # fmt: skip
    return operation | ({"security": [{"key": [], "ts": [], "signature": []}]} if endpoint.is_signed else {})


def document() -> Schema:
    """Return the document."""
    headers = {"key": KEY, "ts": TIME, "signature": SIGNATURE}
    codes = {"type": "integer", "enum": sorted(int(reason) for reason in RejectReason if reason)}
    refusal = object_with(code=codes, reason=TEXT, text=TEXT)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hourglass",
            "version": ".".join(map(str, VERSION)),
            "description": "Public data, and what an account has. Orders go over the WebSocket: see protocol.md.",
        },
        "paths": {endpoint.path: {"get": described(endpoint)} for endpoint in ENDPOINTS},
        "components": {
            "securitySchemes": {
                name: {"type": "apiKey", "in": "header", "name": header} for name, header in headers.items()
            },
            "responses": {
                "refusal": {"description": "Refused.", "content": {"application/json": {"schema": refusal}}}
            },
        },
    }
