"""The table of messages, the documentation, the enums of the core and the client agree."""

from pathlib import Path

import pytest

from exchange.reasons import DoneReason, RejectReason
from exchange.records import CommandType, EventType
from gateway.client.events import EVENTS, FIELD_COUNTS
from gateway.protocol import MESSAGES, Channel, CloseCode, MessageType

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
ROWS = {line.split("|")[1].strip(): line for line in PAGE.splitlines() if line.startswith("| ")}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_every_message_is_documented_with_its_fields(message):
    row = ROWS[f"{message.number:d} {message.name}"]
    documented = row.split("|")[2].strip()
    assert documented == f"`{message.fields}`"


def test_every_type_is_in_the_table_once():
    assert sorted(message.number for message in MESSAGES) == sorted(MessageType)


@pytest.mark.parametrize("code", [*CloseCode], ids=lambda code: code.name)
def test_every_close_code_is_documented(code):
    assert f"| {code:d} |" in PAGE


@pytest.mark.parametrize("reason", [one for one in RejectReason if one], ids=lambda one: one.name)
def test_every_reason_is_documented(reason):
    assert f"| {reason:d} {reason.name} |" in PAGE


@pytest.mark.parametrize("reason", [*DoneReason], ids=lambda one: one.name)
def test_every_end_of_an_order_is_documented(reason):
    assert f"{reason:d} {reason.name}" in PAGE


@pytest.mark.parametrize("channel", [*Channel], ids=lambda one: one.name)
def test_every_channel_is_documented(channel):
    assert f"{channel:d} {channel.name.lower()}" in PAGE


def test_numbers_are_those_of_the_records():
    for name in ("PLACE", "CANCEL", "CANCEL_REF", "REPLACE", "MASS_CANCEL", "QUOTE", "REPLACE_REF"):
        assert MessageType[name] == CommandType[name]
    for name in ("ACK", "REJECT", "FILL", "DONE", "REPLACED", "TRADE", "STATUS", "INSTRUMENT"):
        assert MessageType[name] == EventType[name]


def test_client_knows_the_fields():
    for message in MESSAGES:
        if message.number in EVENTS:
            assert FIELD_COUNTS[message.number] == len(message.fields.split())
            assert list(EVENTS[message.number].__dataclass_fields__) == message.fields.split()
