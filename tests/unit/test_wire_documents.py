"""What is generated of the protocol is up to date, and true: vectors are read, and fit the schemas."""

import json
from pathlib import Path

import msgpack
import pytest
from jsonschema import Draft202012Validator
from test_account_api import ask, headers, run, running, trade

from docs.wire.asyncapi import document
from docs.wire.openapi import ENDPOINTS
from docs.wire.write import generated
from exchange import commands
from exchange.reasons import RejectReason
from exchange.records import CommandType as C
from ext.codec import decode_message
from gateway.protocol import BY_NAME, CCXT, CLOSE_TEXT, MESSAGES, REQUESTS, CloseCode, RequestError, parse
from gateway.protocol.text import to_message, to_text

DOCUMENT = document()
LINES = Path(__file__).parents[2] / "docs" / "wire" / "vectors.jsonl"
VECTORS = [json.loads(line) for line in LINES.read_text().splitlines()]
QUERY = {"inst": 1, "class": "A"}
OTHER = -1  # Not the codec's to read.
IS_REQUEST = {message.name for message in REQUESTS}
ORDERS = [one for one in VECTORS if one["json"]["t"] in IS_REQUEST and 16 <= BY_NAME[one["json"]["t"]].number < 32]


def name_of(vector):
    return f"{vector['json']['t']}-{vector['size']}"


@pytest.mark.parametrize("path", list(generated()), ids=lambda path: path.name)
def test_generated_parts_are_up_to_date(path):
    assert path.read_text() == generated()[path], "run python -m docs.wire.write"


def test_there_are_vectors_of_every_message():
    assert [name_of(one) for one in VECTORS] == [
        f"{message.name}-{size}" for message in MESSAGES for size in ("least", "usual", "most")
    ]


@pytest.mark.parametrize("vector", VECTORS, ids=name_of)
def test_both_forms_of_a_vector_are_one_message(vector):
    packed = bytes.fromhex(vector["hex"])
    if vector["json"]["t"] in IS_REQUEST:
        assert to_message(json.dumps(vector["json"]).encode()) == packed
    else:
        assert json.loads(to_text(packed)) == vector["json"]


@pytest.mark.parametrize("vector", VECTORS, ids=name_of)
def test_vectors_fit_the_schemas(vector):
    messages = DOCUMENT["components"]["messages"]
    Draft202012Validator(messages[f"{vector['json']['t']}.json"]["payload"]).validate(vector["json"])
    values = msgpack.unpackb(bytes.fromhex(vector["hex"]))
    fields = [field.hex() if isinstance(field, bytes) else field for field in values]
    array = messages[f"{vector['json']['t']}.msgpack"]["payload"]
    for field in array["prefixItems"]:
        if field.get("format") == "binary":
            field["maxLength"] *= 1 if field["maxLength"] > 2 * 64 else 2  # Compared as hexadecimal digits.
    Draft202012Validator(array).validate(fields)


@pytest.mark.parametrize("vector", ORDERS, ids=name_of)
def test_order_vectors_are_read_by_the_codec(vector):
    verdict, ref, _, records = decode_message(bytes.fromhex(vector["hex"]), 1, 0)
    if vector["json"]["t"] in ("status_query", "deadman"):  # The session's.
        assert verdict == OTHER
    elif vector["json"].get("legs") == []:
        assert verdict == RejectReason.MALFORMED
    else:
        assert (verdict, ref) == (0, vector["json"]["ref"])
        assert records


@pytest.mark.parametrize("message", [one for one in REQUESTS if not 16 <= one.number < 32], ids=lambda one: one.name)
def test_request_vectors_are_read(message):
    usual = next(one for one in VECTORS if name_of(one) == f"{message.name}-usual")
    if message.name in ("subscribe", "snapshot"):  # There is no channel 255.
        with pytest.raises(RequestError, match="MALFORMED"):
            parse(bytes.fromhex(usual["hex"]))
    else:
        parse(bytes.fromhex(usual["hex"]))


def test_document_refers_only_to_what_it_has():
    for operation in DOCUMENT["operations"].values():
        for reference in [*operation["messages"], *operation.get("reply", {}).get("messages", [])]:
            *_, key = reference["$ref"].split("/")
            assert key in DOCUMENT["channels"]["ws"]["messages"]
            assert key in DOCUMENT["components"]["messages"]


def test_every_path_is_described():
    async def main():
        async with running() as (venue, _):
            routes = venue.server._runner.app.router.resources()
            assert {route.canonical for route in routes} - {"/ws/v1"} == {endpoint.path for endpoint in ENDPOINTS}

    run(main())


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: one.path)
def test_answers_fit_their_description(endpoint):
    async def main():
        async with running() as (venue, http):
            trade(venue)
            for record in (commands.clearing(C.SET_HOUSE), commands.clearing(C.SET_CLASS, cls="A")):
                venue.sequencer.submit(record)
            (order, *_), *_ = (await ask(venue, http, "/v1/orders"))[1].values()
            query = "&".join(f"{name}={value}" for name, value in QUERY.items() if name in endpoint.query)
            path = endpoint.path.format(**order | {"tag": 77}) + (f"?{query}" if query else "")
            async with http.get(venue.http + path, headers=headers(venue.key["ann"], path)) as response:
                assert response.status == 200
                answer = await (response.text() if endpoint.form == "text/plain" else response.json())
            Draft202012Validator(endpoint.answer).validate(answer)

    run(main())


def test_every_reason_and_close_code_has_a_meaning():
    assert list(CLOSE_TEXT) == [*CloseCode]
    assert list(CCXT) == [reason for reason in RejectReason if reason]
