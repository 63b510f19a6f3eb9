"""Why an account must hold what it must hold, as of the end of a playback (CLR-RATE-003, CLR-CALL)."""

from typing import Any

from exchange.clearing.arithmetic import PPM, ceil_div
from exchange.clearing.ledger import Purse
from exchange.clearing.margin import (
    CALL_PPM,
    MAINTENANCE_PPM,
    NOTHING_BINDS,
    RELEASE_PPM,
    SPREAD_FLOOR_PPM,
    fund_share,
    level,
)
from exchange.clearing.pricing import Sheet
from exchange.clearing.words import Kind
from exchange.engine import Engine
from exchange.units import window_text
from gateway.reports.names import place_fields, short_time
from gateway.reports.tables import Cell, text_table

Report = dict[str, Any]


def margin_report(engine: Engine, name: str) -> Report:
    """Return everything about the margin of an account as one JSON object; micro-dollars, positions in lots.

    Amounts are those of this moment, with the marks as they stand; ``published`` is what the last run of margin has
    given the core, by which orders and withdrawals are judged.

    Raises:
        ValueError: there is no such account, or no clearing.

    """
    state, core = engine.house.state, engine.core
    account = engine.catalogue.account_number(name)
    if account is None:
        raise ValueError(f"there is no account {name!r} in this journal")
    if not state.account:
        raise ValueError("there is no clearing in this journal: set_house comes first")
    sheet = engine.house.pricing.sheet()
    result, wanted = engine.house.margining.explain(account, sheet)
    member = state.members.get(account)
    addon, credit, keep = core.margin_terms(account)
    balance, requirements = core.balance(account), core.requirement_sum(account)
    free = min(balance - requirements + credit, balance - keep)
    bond, fund = (state.ledger.balance(Purse(kind, account)) for kind in (Kind.BOND, Kind.FUND))
    losses = result.losses or (0,) * len(sheet.names)
    return {
        "account": name,
        "seq": engine.seq,
        "at_ns": engine.now_ns,
        "scenarios": [
            {"name": text, "loss": loss, "binding": place == result.binding and result.binding != NOTHING_BINDS}
            for place, (text, loss) in enumerate(zip(sheet.names, losses, strict=True))
        ],
        "scan": result.scan,
        "gross": result.gross,
        "relief": wanted.relief,
        "floor": ceil_div((result.gross - result.scan) * SPREAD_FLOOR_PPM, PPM),
        "initial_margin": wanted.margin,
        "buffer": wanted.buffer,
        "ahead": wanted.ahead,
        "concentration": wanted.concentration,
        "delivering": wanted.delivering,
        "bond": {"held": bond, "lacking": wanted.bond_lacking},
        "fund": {"held": fund, "lacking": wanted.fund_lacking},
        "must_hold": wanted.total,
        "equity": balance,
        "ratio_bps": balance * 10_000 // wanted.total if wanted.total else None,
        "standing": level(balance, wanted.total).name.lower(),
        "level": "good" if member is None else member.level.name.lower(),
        "deadline_ns": member.deadline_ns if member is not None and member.deadline_ns else None,
        "prepaid": core.is_prepaid(account),
        "call_below": ceil_div(wanted.total * CALL_PPM, PPM),
        "liquidation_below": ceil_div(wanted.total * MAINTENANCE_PPM, PPM),
        "release_above": ceil_div(wanted.total * RELEASE_PPM, PPM),
        "published": {
            "must_hold": 0 if member is None else member.margin,
            "requirements": requirements, "addon": addon, "credit": credit, "keep": keep,
        },
        "may_withdraw": max(0, free),
        "windows": _windows(engine, account, sheet),
    }  # fmt: skip


def overview(engine: Engine) -> Report:
    """Return how every account stands, the closest to a call first, and what the default fund holds and should hold.

    Raises:
        ValueError: there is no clearing.

    """
    state, margining = engine.house.state, engine.house.margining
    if not state.account:
        raise ValueError("there is no clearing in this journal: set_house comes first")
    sheet = engine.house.pricing.sheet()
    demanded = margining.demand_all(sheet)
    rows = []
    for account, wanted in demanded.items():
        balance, total = engine.core.balance(account), wanted.total
        rows.append(
            {
                "account": engine.catalogue.account_name(account), "must_hold": total, "equity": balance,
                "ratio_bps": balance * 10_000 // total if total else None,
                "level": state.member(account).level.name.lower(), "standing": level(balance, total).name.lower(),
                "bond": state.ledger.balance(Purse(Kind.BOND, account)),
                "fund": state.ledger.balance(Purse(Kind.FUND, account)),
            }
        )  # fmt: skip
    held = sum(state.ledger.of_kind(Kind.FUND).values())
    needed = margining.fund_needed(sheet, demanded)
    for row, share in zip(rows, fund_share(needed, [wanted.margin for wanted in demanded.values()]), strict=True):
        row["fund_should_be"] = share
    rows.sort(key=lambda row: (row["ratio_bps"] is None, row["ratio_bps"]))
    return {"seq": engine.seq, "at_ns": engine.now_ns, "accounts": rows, "fund": {"held": held, "needed": needed}}


def overview_text(report: Report) -> str:
    """Return the overview for a terminal."""
    rows: list[list[Cell]] = [
        [row["account"], row["must_hold"], row["equity"], percent(row["ratio_bps"]), row["level"], row["bond"],
         row["fund"], row["fund_should_be"]]
        for row in report["accounts"]
    ]  # fmt: skip
    names = ("account", "must hold", "equity", "ratio", "level", "bond", "fund share", "in proportion")
    fund = report["fund"]
    parts = [f"all accounts at command {report['seq']}, {short_time(report['at_ns'])}; micro-dollars"]
    parts.append(text_table(names, rows) if rows else "nobody holds anything")
    parts.append(
        f"the default fund holds {fund['held']:,}; the two owners who would lose most beyond their margin, in\n"
        f"scenarios twice as hard as those of margin, would need {fund['needed']:,}"
    )
    return "\n\n".join(parts)


def percent(bps: int | None) -> str:
    """Return a ratio in basis points as people read it."""
    return "no margin" if bps is None else f"{bps // 100:,}.{bps % 100:02} %"


def _windows(engine: Engine, account: int, sheet: Sheet) -> list[Report]:
    """Return the windows in which the account has a position or an open order."""
    core, state, place = engine.core, engine.house.state, sheet.place()
    found = []
    for one in engine.catalogue.instruments:
        lots, buys, sells, requirement = core.position(account, one.handle)
        if not (lots or buys or sells):
            continue
        mark = core.mark(one.handle)
        line = place_fields(engine.catalogue, one.handle) | {
            "position": lots, "open_buys": buys, "open_sells": sells, "mark": mark,
            "value": abs(lots) * (mark or 0) * one.product.lot_micros, "requirement": requirement,
        }  # fmt: skip
        if one.handle in place:
            column = place[one.handle]
            (long, short), (quiet_long, quiet_short) = sheet.rates[column], sheet.buffered[column]
            prefund, add_on = sheet.ahead[column]
            line |= {"long_rate": long, "short_rate": short, "buffered_long": quiet_long, "buffered_short": quiet_short}
            line |= {"prefunding": prefund, "delivery_addon": add_on}
        if one.handle in state.rates:
            line |= {"entry_long_rate": state.rates[one.handle][0], "entry_short_rate": state.rates[one.handle][1]}
        found.append(line)
    return found


def margin_text(report: Report) -> str:
    """Return the report for a terminal."""
    parts = [f"{report['account']} at command {report['seq']}, {short_time(report['at_ns'])}; micro-dollars"]
    scenarios: list[list[Cell]] = [
        [one["name"], one["loss"], "binds" if one["binding"] else ""] for one in report["scenarios"]
    ]
    parts.append(text_table(("scenario", "loss", ""), scenarios) if scenarios else "no window has a mark: no scenarios")
    parts.append(text_table(("what must be held", "amount", "why"), _demand(report)))
    parts.append(text_table(("how it stands", "", ""), _standing(report)))
    names = (
        "position", "open_buys", "open_sells", "mark", "long_rate", "short_rate", "prefunding", "delivery_addon",
        "requirement",
    )  # fmt: skip
    rows: list[list[Cell]] = [
        [f"{one['product']}.{one['fabric']}@{window_text(one['start'])}", *(one.get(name) for name in names)]
        for one in report["windows"]
    ]
    parts.append(text_table(("window", *(name.replace("_", " ") for name in names)), rows) if rows else "no positions")
    return "\n\n".join(parts)


def _demand(report: Report) -> list[list[Cell]]:
    return [
        ["scan", report["scan"], "worst loss of all positions together"],
        ["floor", report["floor"], f"20 % of gross {report['gross']:,} less scan"],
        ["initial margin", report["initial_margin"], "scan and floor"],
        ["buffer", report["buffer"], f"on top in quiet times; relief with it {report['relief']:,}"],
        ["prefunding, add-on", report["ahead"], "what they ask beyond the rates"],
        ["concentration", report["concentration"], "positions that take longer to close"],
        ["delivering", report["delivering"], "add-on of what is delivered now"],
        ["bond lacking", report["bond"]["lacking"], f"held {report['bond']['held']:,}"],
        ["fund share lacking", report["fund"]["lacking"], f"held {report['fund']['held']:,}"],
        ["must hold", report["must_hold"], "initial margin and all between"],
    ]


def _standing(report: Report) -> list[list[Cell]]:
    ratio, deadline = report["ratio_bps"], report["deadline_ns"]
    shown = percent(ratio)
    rows: list[list[Cell]] = [
        ["equity", f"{report['equity']:,}", shown],
        ["level", report["level"], f"standing: {report['standing']}{', prepaid' if report['prepaid'] else ''}"],
        ["call below", f"{report['call_below']:,}", "110 %"],
        ["liquidation below", f"{report['liquidation_below']:,}", "100 %"],
        ["may be withdrawn", f"{report['may_withdraw']:,}", "by the last run of margin"],
    ]
    return rows if deadline is None else [*rows, ["deadline of the call", short_time(deadline), ""]]
