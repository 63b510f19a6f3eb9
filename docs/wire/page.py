"""The tables of docs/protocol.md, between ``<!-- name -->`` and ``<!-- end -->``."""

import re
from collections.abc import Iterable

from exchange.reasons import REJECT_TEXT, RejectReason
from gateway.protocol import CCXT, CLOSE_TEXT, REPLIES, REQUESTS, Message


def messages(rows: Iterable[Message]) -> list[str]:
    """Return the table of messages."""
    head = ["| message | fields after the type | |", "|---|---|---|"]
    return head + [f"| {row.number:d} {row.name} | `{row.fields}` | {row.doc} |" for row in rows]


def reasons() -> list[str]:
    """Return the table of reject reasons, in order of precedence."""
    head = ["| code | meaning | ccxt |", "|---|---|---|"]
    return head + [
        f"| {reason:d} {reason.name} | {REJECT_TEXT[reason]} | {CCXT[reason]} |" for reason in RejectReason if reason
    ]


def closes() -> list[str]:
    """Return the table of close codes."""
    return ["| code | why |", "|---|---|", *(f"| {code:d} | {text} |" for code, text in CLOSE_TEXT.items())]


def filled(page: str) -> str:
    """Return the page with its tables."""
    for name, lines in (
        ("requests", messages(REQUESTS)), ("replies", messages(REPLIES)), ("reasons", reasons()), ("closes", closes()),
    ):  # fmt: skip
        table = "\n".join(lines)
        pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = pattern.subn(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", page)  # type: ignore[misc]
        assert count == 1, f"the page must have one place for {name}, had {count}"
    return page
