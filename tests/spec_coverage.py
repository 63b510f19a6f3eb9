"""Which test holds the venue to which rule: ``python -m tests.spec_coverage``.

A rule is an id in bold in a page of docs/spec, such as **ORD-001**. A test covers it by carrying the id at the end of
its name: ``test_an_answer_comes_first_ord_001``; a name may carry several. The clearinghouse's rules have a section,
too: **CLR-SCAN-001**. Exit code 1 when a rule has no test, when
a test names a rule that no page has, or when two pages have the same rule.
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
RULE = re.compile(r"\*\*((?:CLR-[A-Z]{2,5}|[A-Z]{3})-\d{3})\*\*")
NAMED = re.compile(r"_(clr_[a-z]{2,5}|[a-z]{3})_(\d{3})(?=_|$)")


def rules(directory: Path) -> list[tuple[str, str]]:
    """Return (rule, page) of every rule in the pages of a directory, in their order."""
    return [(rule, page.name) for page in sorted(directory.glob("*.md")) for rule in RULE.findall(page.read_text())]


def test_names(directory: Path) -> list[tuple[str, str]]:
    """Return (test, file) of every test function below a directory, methods of classes included."""
    return [
        (node.name, str(path.relative_to(directory)))
        for path in sorted(directory.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def coverage(directory: Path) -> dict[str, list[str]]:
    """Return {rule: tests that name it}, of all test files below a directory."""
    found: dict[str, list[str]] = {}
    for name, file in test_names(directory):
        for prefix, number in NAMED.findall(name):
            found.setdefault(f"{prefix.upper().replace('_', '-')}-{number}", []).append(f"{file}::{name}")
    return found


def complaints(stated: list[tuple[str, str]], found: dict[str, list[str]]) -> list[str]:
    """Return what is wrong, one line each: rules without a test, tests of no rule, rules stated twice."""
    known = [rule for rule, _ in stated]
    lines = [f"{rule} ({page}) has no test" for rule, page in stated if rule not in found]
    lines += [f"{rule} is in no page, but named by {found[rule][0]}" for rule in sorted(found) if rule not in known]
    lines += [f"{rule} is stated more than once" for rule in sorted(set(known)) if known.count(rule) > 1]
    return lines


def report(stated: list[tuple[str, str]], found: dict[str, list[str]]) -> list[str]:
    """Return the rules in order of their pages, each with its tests."""
    return [
        line
        for rule, page in stated
        for line in (f"{rule}  {page}", *(f"    {test}" for test in found.get(rule, ["-"])))
    ]


def main() -> int:
    """Print the list and what is missing; return the exit code."""
    stated, found = rules(ROOT / "docs" / "spec"), coverage(ROOT / "tests")
    wrong = complaints(stated, found)
    sys.stdout.write("\n".join(report(stated, found)) + "\n")
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    sys.stdout.write(f"{len(stated)} rules, {len(wrong)} complaints\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
