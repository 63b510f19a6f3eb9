"""The client library for bots: asyncio, typed events, integers and decimal text only."""

from exchange.records import Side, Stp, Tif
from gateway.client.book import Book
from gateway.client.entry import Batch, QuoteLeg
from gateway.client.errors import (
    ConnectionClosed,
    EventsOverrun,
    HourglassError,
    LoginRefused,
    OrderRejected,
    RequestRefused,
)
from gateway.client.events import (
    Ack,
    BestPrices,
    BookDelta,
    BookSnapshot,
    Done,
    Fill,
    Heartbeat,
    Reject,
    Replaced,
    Status,
    Trade,
)
from gateway.client.instruments import InstrumentInfo
from gateway.client.orders import Order, OrderState
from gateway.client.reader import EventReader
from gateway.client.session import Session, connect
from gateway.protocol import Channel

__all__ = [
    "Ack",
    "Batch",
    "BestPrices",
    "Book",
    "BookDelta",
    "BookSnapshot",
    "Channel",
    "ConnectionClosed",
    "Done",
    "EventReader",
    "EventsOverrun",
    "Fill",
    "Heartbeat",
    "HourglassError",
    "InstrumentInfo",
    "LoginRefused",
    "Order",
    "OrderRejected",
    "OrderState",
    "QuoteLeg",
    "Reject",
    "Replaced",
    "RequestRefused",
    "Session",
    "Side",
    "Status",
    "Stp",
    "Tif",
    "Trade",
    "connect",
]
