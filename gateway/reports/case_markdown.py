"""A case as Markdown: what is read by those who pay, and those who were not served."""

from collections.abc import Sequence
from typing import Any

from exchange.units import window_text
from gateway.reports.names import short_time
from gateway.reports.tables import Cell, markdown_table

RECORDS_SHOWN = 8  # Of each kind of evidence, the last ones; JSON has all.
Report = dict[str, Any]


def cases_markdown(lines: Sequence[Report]) -> str:
    """Return the table of all cases of a journal."""
    if not lines:
        return "no defaults"
    headers = (
        "case", "kind", "defaulter", "opened", "seq", "lots failed", "layers paid", "unpaid claims", "closed at seq",
    )  # fmt: skip
    return markdown_table(
        headers,
        [
            (
                one["case"], one["kind"], one["defaulter"], short_time(one["opened_ns"]), str(one["opened_seq"]),
                one["lots_failed"], one["paid"], one["unpaid"], str(one["closed_seq"] or "open"),
            )
            for one in lines
        ],
    )  # fmt: skip


def case_markdown(report: Report) -> str:
    """Return the whole report of a case."""
    closed = report["closed_seq"]
    parts = [
        f"# Case {report['case']}: {report['kind']} default of {report['defaulter']}",
        f"{report['lots_failed']:,} lots failed. Opened at command {report['opened_seq']}, "
        f"{short_time(report['opened_ns'])}; {f'closed at command {closed}' if closed else 'open'}. The journal is "
        f"read to command {report['seq']}. Amounts are micro-dollars.",
    ]
    parts += _section(
        "Timeline", ("time (UTC)", "what", "seq"),
        [(short_time(one["at_ns"]), one["what"], str(one.get("seq", ""))) for one in report["timeline"]],
    )  # fmt: skip
    parts += _section(
        "What failed", ("buyer", "window", "first node", "lots", "last good"),
        [(one["buyer"], _place(one), str(one["first_node"]), one["lots"], short_time(one["last_good_ns"]))
         for one in report["failed"]],
    )  # fmt: skip
    parts += _substitutes(report)
    parts += _section(
        "Traded for the estate", ("window", "side", "lots", "price", "fee", "seq"),
        [(_place(one), one["side"], one["lots"], one["px"], one["fee"], str(one["seq"])) for one in report["trades"]],
    )  # fmt: skip
    parts += _claims(report)
    parts += _layers(report)
    parts += _section(
        "Compensation", ("buyer", "restart and stall (C3)", "rollback (C4)", "together"),
        [(one["buyer"], one["direct"], one["rollback"], one["micros"]) for one in report["compensation"]],
    )  # fmt: skip
    parts += _handed_on(report)
    parts += _escrow(report)
    parts += _open_ends(report)
    parts += _section(
        "Cash flow of the case", ("account", "amount"), [(one["purse"], one["micros"]) for one in report["flows"]]
    )
    parts.append(
        f"They sum to {report['flows_sum']:,}; all accounts of the venue, the outside included, to "
        f"{report['sum_of_all_accounts']:,}."
    )
    for verdict in report["verdicts"]:
        parts += _evidence(verdict)
    return "\n\n".join(parts)


def _section(title: str, headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    return [f"## {title}", markdown_table(headers, rows)] if rows else []


def _place(one: Report) -> str:
    return f"{one['product']}.{one['fabric']}@{window_text(one['start'])}" if "product" in one else ""


def _substitutes(report: Report) -> list[str]:
    rows: list[Sequence[Cell]] = [
        (
            one["buyer"], one["stage"], one["provider"], _place(one), one["px"], one["lots"], one["original_lots"],
            one["substitute_paid"], one["buyer_pays"], one["premium"],
        )
        for one in report["substitutes"]
    ]  # fmt: skip
    if not rows:
        return []
    headers = (
        "buyer", "stage", "substitute", "window", "price", "lots", "stand for", "substitute is paid", "buyer pays",
        "premium",
    )  # fmt: skip
    paid, buyers = (sum(one[name] for one in report["substitutes"]) for name in ("substitute_paid", "buyer_pays"))
    rows.append(("all", "", "", "", None, None, None, paid, buyers, report["premium"]))
    return _section("Substitutes", headers, rows)


def _claims(report: Report) -> list[str]:
    rows: list[Sequence[Cell]] = [
        (f"{one['class']} {WORDS[one['class']]}", one["claimed"], one["paid"], one["unpaid"])
        for one in report["claims"]
    ]
    rows.append(("all", report["claimed"], sum(one["paid"] for one in report["claims"]),
                 sum(one["unpaid"] for one in report["claims"])))  # fmt: skip
    note = f"Of C2 {report['premium']:,} is the premium of the substitutes, {report['surcharge']:,} the surcharge."
    return [*_section("Claims", ("class", "claimed", "paid", "unpaid"), rows), *([note] if report["premium"] else [])]


WORDS = {"C1": "variation", "C2": "replacement", "C3": "direct loss", "C4": "rollback"}
LAYERS = {
    "L1": "bond", "L2": "collateral", "L3": "own fund share", "L4": "SITG", "L5": "pool", "L6": "survivors' shares",
    "L7": "assessments",
}  # fmt: skip


def _layers(report: Report) -> list[str]:
    rows: list[Sequence[Cell]] = [
        (f"{one['layer']} {LAYERS[one['layer']]}", one["class"], one["payer"], one["micros"])
        for one in report["layers"]
    ]
    if not rows:
        return []
    rows.append(("all", "", "", sum(one["micros"] for one in report["layers"])))
    return _section("Who paid, layer by layer", ("layer", "for", "payer", "amount"), rows)


def _handed_on(report: Report) -> list[str]:
    rows = [(one["cause"], one["to"], one["micros"]) for one in report["handed_on"]]
    return _section("What the estate has paid", ("for", "to", "amount"), rows)


def _escrow(report: Report) -> list[str]:
    found = []
    for one in report["escrow"]:
        names = ("paid_in", "to_defaulter", "to_substitutes", "to_others", "refunded", "left")
        rows = [(name.replace("_", " "), one[name]) for name in names]
        rows += [(f"refund to {refund['to']}", refund["micros"]) for refund in one["refunds"]]
        found += _section(f"Escrow of {_place(one)}", ("what", "amount"), rows)
    return found


def _open_ends(report: Report) -> list[str]:
    parts = _section(
        "Unpaid claims", ("class", "account", "amount"),
        [(one["class"], one["account"], one["micros"]) for one in report["unpaid_claims"]],
    )  # fmt: skip
    parts += _section(
        "Recovered and released", ("cause", "to", "amount"),
        [(one["cause"], one["to"], one["micros"]) for one in report["recoveries"]],
    )  # fmt: skip
    return parts + _section(
        "Gains that were cut", ("account", "amount"), [(one["account"], one["micros"]) for one in report["haircut"]]
    )


def _evidence(verdict: Report) -> list[str]:
    rows: list[Sequence[Cell]] = []
    for kind in verdict["evidence"]:
        rows.append((kind["kind"], kind["count"], "", "", f"`{kind['sha256']}` of all"))
        for one in kind["records"][-RECORDS_SHOWN:]:
            rows.append(("", None, str(one["seq"]), short_time(one["at_ns"]), f"`{one['sha256']}`"))
    return [
        f"## Evidence of the verdict at command {verdict['seq']}",
        markdown_table(("kind", "records", "seq", "time (UTC)", "SHA-256"), rows),
        f"All of it: `{verdict['evidence_sha256']}` (SHA-256 of the records' hashes in order). State hash behind the "
        f"verdict: `{verdict['state_hash']}`; all accounts then summed to {verdict['sum_of_all_accounts']:,}.",
    ]
