"""Every rule of the specification has a test that carries its id, and the check that says so can fail."""

import subprocess
import sys
from pathlib import Path

from tests.spec_coverage import complaints, coverage, rules

ROOT = Path(__file__).parent.parent.parent


def test_every_rule_has_a_test():
    result = subprocess.run(
        [sys.executable, "-m", "tests.spec_coverage"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "ORD-001  orders.md" in result.stdout


def test_missing_unknown_and_repeated_rules_are_told(tmp_path):
    (tmp_path / "a.md").write_text("- **ORD-001** One.\n- **ORD-002** Two.\n- **ORD-003** Three.\n")
    (tmp_path / "b.md").write_text("- **ORD-002** Two again, and ORD-004 in passing.\n")
    (tmp_path / "test_a.py").write_text(
        "def test_one_ord_001_ord_002(): pass\nclass TestIt:\n    async def test_it_mat_009(self): pass\n"
        "def helper_ord_003(): pass\n"
    )
    stated, found = rules(tmp_path), coverage(tmp_path)
    assert [rule for rule, _ in stated] == ["ORD-001", "ORD-002", "ORD-003", "ORD-002"]
    assert complaints(stated, found) == [
        "ORD-003 (a.md) has no test",
        "MAT-009 is in no page, but named by test_a.py::test_it_mat_009",
        "ORD-002 is stated more than once",
    ]
