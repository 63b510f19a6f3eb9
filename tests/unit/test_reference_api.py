"""Products and best prices over HTTP."""

from gateway_venue import PRODUCT, WINDOW, running
from test_server import get, run

from exchange import commands
from exchange.reasons import RejectReason as R

ANN = 1


def test_products_have_all_their_terms():
    async def main():
        async with running() as venue:
            terms = {"taker_fee_ppm": 200, "band_dynamic_bps": 1_000, "zone": "euw1"}
            venue.sequencer.submit(commands.add_product("L40S", 1, 500, ["euw1-f01"], **terms))
            status, told = await get(venue, "/v1/products")
            first, second = told["products"]
            assert (status, first["number"], first["name"], first["fabrics"]) == (
                200, 1, PRODUCT, ["use1-f03", "use1-f04"],
            )  # fmt: skip
            assert {name: second[name] for name in terms} == terms
            assert (second["number"], second["tick_micros"], second["lot_scu"]) == (2, 500, 1)

    run(main())


def test_best_prices_of_all_instruments():
    async def main():
        async with running() as venue:
            venue.sequencer.submit(commands.place(ANN, 1, 1, 0, 2400, 3) + commands.place(ANN, 2, 1, 1, 2450, 2))
            status, told = await get(venue, "/v1/tickers")
            assert (status, [one["symbol"] for one in told["tickers"]]) == (200, venue.symbols)
            assert told["tickers"][0] == {
                "inst": 1, "symbol": venue.symbols[0], "state": 1, "bid_px": 2400, "bid_qty": 3, "ask_px": 2450,
                "ask_qty": 2,
            }  # fmt: skip
            assert (told["tickers"][1]["bid_px"], told["tickers"][1]["ask_qty"]) == (0, 0)
            assert told["ts"] == venue.publisher.last_ts_ns // 1_000

    run(main())


def test_best_prices_of_some_instruments():
    async def main():
        async with running() as venue:
            venue.sequencer.submit(commands.add_product("L40S", 1, 500, ["euw1-f01"]))
            venue.sequencer.submit(commands.list_window("L40S", WINDOW))
            for path, handles in (
                ("?product=L40S", [3]), (f"?product={PRODUCT}", [1, 2]), ("?product=none", []), ("?inst=2", [2]),
                ("?inst=" + venue.symbols[0].replace("@", "%40"), [1]),
            ):  # fmt: skip
                told = (await get(venue, "/v1/tickers" + path))[1]
                assert [one["inst"] for one in told["tickers"]] == handles
            for wrong in ("?inst=9", "?inst=", "?inst=x", "?product=L40S&inst=1"):
                status, told = await get(venue, "/v1/tickers" + wrong)
                assert (status, told["code"]) == (404, R.NO_INSTRUMENT)

    run(main())
