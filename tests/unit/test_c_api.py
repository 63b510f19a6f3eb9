"""The documented example of the C interface compiles and does what it says; every function is in the capsules."""

import importlib.util
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import ext.book

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "one_book.pyx"


def build(target: Path) -> Path:
    source = target / "one_book.c"
    subprocess.run(
        [sys.executable, "-m", "cython", "-3", "-I", str(ROOT), str(EXAMPLE), "-o", str(source)], check=True, cwd=ROOT
    )
    library = target / f"one_book{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_paths()["include"]
    command = ["gcc", "-shared", "-fPIC", "-O1", f"-I{include}", f"-I{ROOT / 'ext'}", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    return library


def test_example_of_the_docs_compiles_and_runs(tmp_path):
    spec = importlib.util.spec_from_file_location("one_book", build(tmp_path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main() == [(True, 100, 5), (False, 101, 2)]


def test_every_documented_function_is_in_the_capsules():
    documented = set(re.findall(r"(hg_book_\w+)\(", (ROOT / "docs" / "c-api.md").read_text()))
    assert documented == {name for name in ext.book.__pyx_capi__ if name.startswith("hg_book_")}


def test_example_is_about_forty_lines():
    assert len(EXAMPLE.read_text().splitlines()) <= 50
