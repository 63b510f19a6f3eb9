"""The house rules a machine can check: floors, determinism of the domain, nothing left over, no reason without words.

Every check is a function from a module's syntax tree to what it complains of, and is itself tried on a bad example.
"""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from exchange.reasons import REJECT_TEXT, RejectReason
from gateway.cli import SUBCOMMANDS

ROOT = Path(__file__).parent.parent.parent
CONNECTORS = ROOT / "gateway" / "connectors"
LINES_MAX = 600
TEST_LINES_MAX = 800  # A long list of cases is easier to read than a long program.
CONNECTOR_LINES_MAX = 1_100  # One file each, because it is copied into programs that have nothing else of ours.

FLOORS = ("ext", "exchange", "gateway", "tests", "bench")  # Lowest first; tests and bench may use each other.
# Floors inside exchange/: a module may import from its own floor and from lower ones.
WORDS, CATALOGUE, ENGINE, REPLAY = range(4)
EXCHANGE_FLOORS = {
    "units": WORDS, "errors": WORDS, "reasons": WORDS, "records": WORDS, "commands": WORDS,
    "catalogue": CATALOGUE, "delivery": CATALOGUE, "clearing": CATALOGUE, "reference": ENGINE, "engine": ENGINE,
    "replay": REPLAY,
}  # fmt: skip
WORLDLY = {"time", "random", "asyncio", "uuid", "logging", "os", "socket", "secrets", "threading", "multiprocessing"}
LEFT_OVER = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")


class Module(NamedTuple):
    name: str
    path: Path
    tree: ast.Module


def modules(package):
    """The Python modules of a package."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path, ast.parse(path.read_text())))
    return found


def imports(tree):
    """Every module an `import` or `from ... import` names, wherever it stands; `from a import b` names a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports must be absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def upward_imports(name, tree):
    """Imports from a higher floor of the house, or inside exchange/ from a higher floor of it."""
    package, _, rest = name.partition(".")
    for imported in imports(tree):
        other, _, other_rest = imported.partition(".")
        if other in FLOORS and FLOORS.index(other) > FLOORS.index(package):
            yield f"{name} imports {imported}"
        elif package == other == "exchange" and other_rest:
            mine, its = rest.split(".")[0], other_rest.split(".")[0]
            if EXCHANGE_FLOORS[its] > EXCHANGE_FLOORS[mine]:
                yield f"{name} imports {imported}"


def worldly_imports(tree):
    """Imports of what has a clock, chance, a loop or a file."""
    return [name for name in imports(tree) if name.split(".")[0] in WORLDLY]


def inexact(tree):
    """Float and complex literals, true division, calls of float and round."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"line {node.lineno}: literal {node.value}"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"line {node.lineno}: true division"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("float", "round"):
            yield f"line {node.lineno}: {node.func.id}()"


def is_set(node):
    """Whether an expression is plainly a set: a literal, a comprehension, or a call that makes one."""
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")
    return is_call or isinstance(node, ast.Set | ast.SetComp)


def unordered(tree):
    """Walks over sets: in a loop, in a comprehension, or by a call that keeps the set's order."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension) and is_set(node.iter):
            yield f"line {node.iter.lineno}: a walk over a set"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and any(map(is_set, node.args)):
            if node.func.id in ("list", "tuple", "iter", "enumerate", "map", "zip", "reversed", "next"):
                yield f"line {node.lineno}: {node.func.id}() of a set"


def prints(tree):
    """Calls of print, but for those that name the stream they write to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            if not any(keyword.arg == "file" for keyword in node.keywords):
                yield f"line {node.lineno}"


EXCHANGE, GATEWAY = modules("exchange"), modules("gateway")


def told(check, checked):
    """What a check complains of in some modules, with their names."""
    return [f"{module.name}: {complaint}" for module in checked for complaint in check(module.tree)]


def test_there_is_something_to_check():
    assert len(EXCHANGE) > 20
    assert len(GATEWAY) > 40
    assert {module.name.split(".")[1] for module in EXCHANGE if "." in module.name} == set(EXCHANGE_FLOORS)


def test_imports_go_down():
    assert [line for module in EXCHANGE + GATEWAY for line in upward_imports(module.name, module.tree)] == []
    # Cython sources have no syntax tree here, but their imports stand at the beginning of a line.
    pattern = re.compile(r"^\s*(?:from|import|cimport)\s+(exchange|gateway|tests|bench)\b", re.MULTILINE)
    sources = [path for end in ("pyx", "pxd", "pyi", "py") for path in (ROOT / "ext").glob(f"*.{end}")]
    assert len(sources) > 30
    assert [path.name for path in sources if pattern.search(path.read_text())] == []


def test_exchange_is_deterministic():
    assert told(worldly_imports, EXCHANGE) == []
    assert told(inexact, EXCHANGE) == []
    assert told(unordered, EXCHANGE) == []


def test_libraries_do_not_print():
    assert told(prints, EXCHANGE) == []
    # The demonstration is a program: what it prints goes to a stream it names.
    assert told(prints, GATEWAY) == []


@pytest.mark.parametrize(
    ("check", "bad", "good"),
    [
        (worldly_imports, ["import os.path", "def late():\n    from time import time"], "import math\nimport datetime"),
        (inexact, ["a = 1.0", "b = a / 2", "c = float(3)", "d /= 2"], "a = 1\nb = a // 2\nc = round_up(3)"),
        (unordered, ["for a in {1, 2}: pass", "b = [c for c in set(d)]", "e = list({f for f in g})"],
         "for a in sorted({1, 2}): pass\nb = 3 in {3, 4}\nfor c in [1]: pass"),
        (prints, ["print(1)"], "import sys\nprint(1, file=sys.stderr)\nself.print(2)"),
    ],
)  # fmt: skip
def test_checks_complain_of_bad_code_only(check, bad, good):
    assert all(list(check(ast.parse(source))) for source in bad)
    assert list(check(ast.parse(good))) == []


@pytest.mark.parametrize(
    ("name", "source", "is_upward"),
    [
        ("exchange.engine", "from gateway import cli", True),
        ("exchange.units", "from exchange.catalogue import Catalogue", True),
        ("exchange.catalogue.registry", "import exchange.engine", True),
        ("exchange.reference.core", "from exchange.replay import replay", True),
        ("exchange.reference.core", "from exchange.units import MONEY_MAX", False),
        ("exchange.engine", "def late():\n    from ext.core import Core", False),
        ("gateway.server", "import tests.venue", True),
        ("gateway.server", "from exchange.replay import replay", False),
    ],
)
def test_floors_are_told_apart(name, source, is_upward):
    assert bool(list(upward_imports(name, ast.parse(source)))) == is_upward


def unused(product):
    """Modules that no other one imports, where the program does not begin, and that others are not meant to copy."""
    entry_points = {"gateway.cli", "gateway.archive_reader", *(module for module, _ in SUBCOMMANDS.values())}
    used = {name for module in product for name in imports(module.tree) if name != module.name}
    packages = {module.name for module in product if module.path.name == "__init__.py"}
    connectors = {module.name for module in product if module.path.parent == CONNECTORS}
    return [module.name for module in product if module.name not in used | entry_points | packages | connectors]


def test_every_module_is_used():
    assert unused(EXCHANGE + GATEWAY) == []
    orphan = Module("gateway.orphan", ROOT / "gateway" / "orphan.py", ast.parse("import gateway.orphan"))
    assert unused([*EXCHANGE, *GATEWAY, orphan]) == ["gateway.orphan"]


def test_connectors_need_nothing_of_the_project():
    connectors = [module for module in GATEWAY if module.path.parent == CONNECTORS]
    assert len(connectors) == 2
    for module in connectors:
        assert [name for name in imports(module.tree) if name.split(".")[0] in FLOORS] == []


def test_nothing_is_left_over():
    files = [
        path
        for folder, ends in (("ext", "pyx pxd pyi h"), ("exchange", "py"), ("gateway", "py"), ("tests", "py"),
                             ("bench", "py c h cpp hpp"), ("docs", "md pyx"))
        for end in ends.split()
        for path in sorted((ROOT / folder).rglob(f"*.{end}"))
    ]  # fmt: skip
    assert len(files) > 150
    for path in files:
        text = path.read_text()
        assert not LEFT_OVER.search(text), f"{path} must have nothing left to do"
        lines_max = TEST_LINES_MAX if path.is_relative_to(ROOT / "tests") else LINES_MAX
        lines_max = CONNECTOR_LINES_MAX if path.parent == CONNECTORS else lines_max
        assert text.count("\n") <= lines_max, f"{path} must have at most {lines_max} lines"


def test_every_reason_has_a_text_and_is_documented():
    paths = [ROOT / "docs" / "protocol.md", *(ROOT / "docs" / "spec").glob("*.md")]
    pages = "".join(path.read_text() for path in paths)
    for reason in RejectReason:
        if reason is not RejectReason.NONE:
            assert REJECT_TEXT.get(reason), f"{reason.name} must have a text"
            assert re.search(rf"\b{reason.name}\b", pages), f"{reason.name} must be in a page of docs"
            assert f"| {int(reason)} {reason.name} |" in pages, f"{reason.name} must be in the protocol's table"
    assert RejectReason.NONE not in REJECT_TEXT
