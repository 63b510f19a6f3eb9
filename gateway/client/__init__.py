"""The client library for bots: asyncio, typed events, integers and decimal text only."""

from exchange.records import EventFlag, NoticeKind, Phase, PhaseReason, Side, Stp, Tif
from gateway.client.blocks import BlockOrder
from gateway.client.book import Book
from gateway.client.clearing import sign_heartbeat, sign_meter
from gateway.client.clearing_events import (
    AuctionItem,
    ClaimLeft,
    Default,
    Entry,
    LayerPaid,
    LotState,
    Margin,
    Mark,
    Substitute,
)
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
    Assigned,
    BestPrices,
    BookDelta,
    BookSnapshot,
    BoughtIn,
    Capacity,
    Done,
    Fill,
    Heartbeat,
    Indicative,
    Notice,
    Perished,
    Reject,
    Replaced,
    Status,
    StripPrices,
    Trade,
)
from gateway.client.instruments import InstrumentInfo, ProductInfo
from gateway.client.orders import Order, OrderState
from gateway.client.reader import EventReader
from gateway.client.session import Session, connect
from gateway.protocol import Channel

__all__ = [
    "Ack",
    "Assigned",
    "AuctionItem",
    "Batch",
    "BestPrices",
    "BlockOrder",
    "Book",
    "BookDelta",
    "BookSnapshot",
    "BoughtIn",
    "Capacity",
    "Channel",
    "ClaimLeft",
    "ConnectionClosed",
    "Default",
    "Done",
    "Entry",
    "EventFlag",
    "EventReader",
    "EventsOverrun",
    "Fill",
    "Heartbeat",
    "HourglassError",
    "Indicative",
    "InstrumentInfo",
    "LayerPaid",
    "LoginRefused",
    "LotState",
    "Margin",
    "Mark",
    "Notice",
    "NoticeKind",
    "Order",
    "OrderRejected",
    "OrderState",
    "Perished",
    "Phase",
    "PhaseReason",
    "ProductInfo",
    "QuoteLeg",
    "Reject",
    "Replaced",
    "RequestRefused",
    "Session",
    "Side",
    "Status",
    "Stp",
    "StripPrices",
    "Substitute",
    "Tif",
    "Trade",
    "connect",
    "sign_heartbeat",
    "sign_meter",
]
