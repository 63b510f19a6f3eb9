"""How the demonstration's clearinghouse is set up: terms, bonds, fund shares, the capacity of two more providers."""

from exchange import commands
from exchange.records import CommandType
from gateway.demo.products import DOGWOOD, ELM, PRODUCTS, PROVIDERS

LOOK_S = 0.25  # Of real time, between two runs and two heartbeats.
HEARTBEAT_LEAST_S, HEARTBEAT_MOST_S = 10, 600
MISSED = 4
PLACE = (PRODUCTS[0], 1)  # The product and fabric in which a provider dies and others stand by.
ELM_LOTS, DOGWOOD_LOTS = 16, 24
ELM_WINDOWS = 3
ELM_BUYER = "lab-fern"
BOND_MICROS, FUND_MICROS = 40 * 10**6, 200 * 10**6
HOUSE_MICROS = 100 * 10**6  # Of SITG, and of the standby reserve.
ELM_MICROS = 2_000 * 10**6  # What it has beside its bond.


def class_of(product: str) -> str:
    """Return the hardware class in a product's name."""
    return product.partition(".")[0]


def clearing_records(accounts: list[str], deposit_micros: int, speed: int) -> bytes:
    """Return the commands that found the clearinghouse, put the products under it, and fill bonds and funds."""
    beat_s = min(max(HEARTBEAT_LEAST_S, int(speed * LOOK_S)), HEARTBEAT_MOST_S)
    terms = {
        "heartbeat_s": beat_s, "missed": MISSED, "hand_over_s": 60, "fee_micros": 1_000, "levy_ppm": 500,
        "standby_ppm": 2_000,
    }  # fmt: skip
    records = [commands.clearing(CommandType.SET_HOUSE, mark_interval_s=600, sitg_micros=HOUSE_MICROS)]
    for product in PRODUCTS:
        name = class_of(product.name)
        units = product.ticks * product.tick_micros  # Prices stand in for speeds: enough to compare by.
        records.append(commands.clearing(CommandType.SET_CLASS, cls=name, units=units))
        records.append(commands.clearing(CommandType.SET_CLEARING, product=product.name, cls=name, **terms))
    records.append(commands.clearing(CommandType.FUND, kind="sitg", micros=HOUSE_MICROS))
    records.append(commands.clearing(CommandType.FUND, kind="standby", micros=HOUSE_MICROS))
    records += [
        commands.clearing(CommandType.TRANSFER, account=name, source="coll", target="bond", micros=BOND_MICROS)
        for name in (*PROVIDERS, DOGWOOD, ELM)
    ]
    records += [
        commands.clearing(CommandType.TRANSFER, account=name, source="coll", target="fund", micros=FUND_MICROS)
        for name in accounts
        if name.startswith(("maker-", "lab-"))
    ]
    elm = accounts.index(ELM) + 1
    records.append(commands.withdraw(elm, deposit_micros - BOND_MICROS - ELM_MICROS))
    return b"".join(records)


def certify_records(first: int, count: int) -> bytes:
    """Return the capacity of the two extra providers in the first windows."""
    product, fabric = PLACE[0].name, PLACE[0].fabrics[PLACE[1]]
    return commands.certify(ELM, product, fabric, first, ELM_LOTS, count=min(ELM_WINDOWS, count)) + commands.certify(
        DOGWOOD, product, fabric, first, DOGWOOD_LOTS, count=count
    )
