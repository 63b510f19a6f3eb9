"""One case as a JSON object; its Markdown has the same numbers (gateway/reports/case_markdown.py)."""

from typing import Any

from exchange.clearing.ledger import Purse
from exchange.clearing.waterfall import Class
from exchange.clearing.words import Kind
from gateway.reports.cases import Case, Casebook, Verdict
from gateway.reports.evidence import digest_of
from gateway.reports.names import account_text, place_fields, purse_text

Report = dict[str, Any]


def case_line(book: Casebook, case: Case) -> Report:
    """Return a case as one line of the table of all."""
    return {
        "case": case.number,
        "kind": case.kind.name.lower(),
        "defaulter": account_text(book.engine.catalogue, case.defaulter),
        "opened_seq": case.opened_seq,
        "opened_ns": case.opened_ns,
        "lots_failed": sum(one.lots for verdict in case.verdicts for one in verdict.failed),
        "paid": sum(one.micros for one in case.payments),
        "unpaid": sum(case.unpaid_by_class().values()),
        "closed_seq": case.closed_seq or None,
    }


def case_report(book: Casebook, case: Case) -> Report:
    """Return everything about a case: who, what, when, who paid, what for, on which evidence. Micro-dollars."""
    catalogue, state = book.engine.catalogue, book.engine.house.state
    paid, unpaid = case.paid_by_class(), case.unpaid_by_class()
    return case_line(book, case) | {
        "seq": book.engine.seq,
        "timeline": [
            {"at_ns": one.at_ns, "what": one.what} | ({"seq": one.seq} if one.seq else {})
            for one in sorted(case.moments, key=lambda one: one.at_ns)
        ],
        "failed": [
            {"buyer": account_text(catalogue, one.buyer), **place_fields(catalogue, one.handle)}
            | {"first_node": one.node, "lots": one.lots, "last_good_ns": one.good_ns}
            for verdict in case.verdicts
            for one in verdict.failed
        ],
        "substitutes": [
            {
                "buyer": account_text(catalogue, one.buyer), "stage": one.stage.name.lower(),
                "provider": account_text(catalogue, one.provider) if one.provider else None,
                **place_fields(catalogue, one.handle), "px": one.ticks, "lots": one.lots,
                "original_lots": one.original_lots, "substitute_paid": one.paid, "buyer_pays": one.buyer_pays,
                "premium": one.paid - one.buyer_pays,
            }
            for one in case.substitutes
        ],
        "trades": [
            {**place_fields(catalogue, one.handle), "side": "buy" if one.lots > 0 else "sell", "lots": abs(one.lots),
             "px": one.ticks, "fee": one.fee, "seq": one.seq}
            for one in case.trades
        ],
        "premium": case.premium,
        "surcharge": sum(micros for (cause, _), micros in case.handed_on.items() if cause == "surcharge"),
        "claims": [
            {"class": one.name, "claimed": paid[one] + unpaid[one], "paid": paid[one], "unpaid": unpaid[one]}
            for one in Class
        ],
        "claimed": sum(paid.values()) + sum(unpaid.values()),
        "layers": [
            {"layer": one.layer.name, "class": one.claim_class.name, "payer": _payer(book, one.account),
             "micros": one.micros, "seq": one.seq}
            for one in case.payments
        ],
        "used": {layer.name: micros for layer, micros in sorted(case.used().items())},
        "compensation": [
            {"buyer": account_text(catalogue, buyer), "direct": by_class[Class.C3], "rollback": by_class[Class.C4],
             "micros": sum(by_class.values())}
            for buyer, by_class in sorted(case.compensation.items())
        ],
        "handed_on": [
            {"cause": cause, "to": purse_text(state, purse), "micros": micros}
            for (cause, purse), micros in sorted(case.handed_on.items())
        ],
        "escrow": [_escrow(book, case, handle) for handle in case.origins],
        "unpaid_claims": [
            {"class": which.name, "account": account_text(catalogue, account), "micros": micros}
            for which, account, micros in case.unpaid
        ],
        "recoveries": [
            {"cause": cause, "to": purse_text(state, purse), "micros": micros}
            for (cause, purse), micros in sorted(case.recovered.items())
        ],
        "haircut": [
            {"account": account_text(catalogue, account), "micros": micros}
            for account, micros in sorted(case.haircut.items())
        ],
        "flows": [
            {"purse": purse_text(state, purse), "micros": micros}
            for purse, micros in sorted(case.flows.items()) if micros
        ],
        "flows_sum": sum(case.flows.values()),
        "sum_of_all_accounts": book.total(),
        "verdicts": [_verdict(one) for one in case.verdicts],
    }  # fmt: skip


def _payer(book: Casebook, account: int) -> str:
    return account_text(book.engine.catalogue, account) if account else "venue"


def _escrow(book: Casebook, case: Case, handle: int) -> Report:
    """Return where the escrow of a window went: in = defaulter + substitutes + others + refunds + what is left."""
    state, catalogue = book.engine.house.state, book.engine.catalogue
    defaulter = Purse(Kind.COLLATERAL, case.defaulter)
    out = {(payee, number): micros for (of, payee, number), micros in book.paid_out.items() if of == handle}
    earned = sum(micros for (payee, number), micros in out.items() if payee == defaulter)
    substitutes = sum(micros for (payee, number), micros in out.items() if payee != defaulter and number == case.number)
    refunds = {payee: micros for (of, payee), micros in book.refunds.items() if of == handle}
    return place_fields(catalogue, handle) | {
        "paid_in": book.escrow_in.get(handle, 0),
        "to_defaulter": earned,
        "to_substitutes": substitutes,
        "to_others": sum(out.values()) - earned - substitutes,
        "refunded": sum(refunds.values()),
        "left": state.ledger.balance(Purse(Kind.ESCROW, handle)),
        "refunds": [
            {"to": purse_text(state, payee), "micros": micros} for payee, micros in sorted(refunds.items())
        ],
    }  # fmt: skip


def _verdict(one: Verdict) -> Report:
    kinds = list(dict.fromkeys(record.kind for record in one.evidence))
    return {
        "seq": one.seq,
        "at_ns": one.at_ns,
        "state_hash": one.state_hash,
        "sum_of_all_accounts": one.total,
        "evidence_sha256": digest_of(one.evidence),
        "evidence": [
            {
                "kind": kind,
                "count": sum(record.kind == kind for record in one.evidence),
                "sha256": digest_of(record for record in one.evidence if record.kind == kind),
                "records": [record.as_json() for record in one.evidence if record.kind == kind],
            }
            for kind in kinds
        ],
    }
