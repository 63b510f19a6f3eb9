"""Writes what is generated of the protocol: ``python -m docs.wire.write``; with ``--check`` it only compares.

The tables of docs/protocol.md, asyncapi.json, openapi.json and vectors.jsonl: from gateway/protocol/messages.py, and
what HTTP answers from docs/wire/openapi.py.
"""

import argparse
import json
import sys
from pathlib import Path

from docs.wire.asyncapi import document
from docs.wire.openapi import document as http_document
from docs.wire.page import filled
from docs.wire.vectors import vectors

HERE = Path(__file__).parent
PAGE = HERE.parent / "protocol.md"


def generated() -> dict[Path, str]:
    """Return what each file must hold."""
    return {
        PAGE: filled(PAGE.read_text()),
        HERE / "asyncapi.json": json.dumps(document(), indent=1, ensure_ascii=False) + "\n",
        HERE / "openapi.json": json.dumps(http_document(), indent=1, ensure_ascii=False) + "\n",
        HERE / "vectors.jsonl": "".join(f"{line}\n" for line in vectors()),
    }


def main() -> int:
    """Write, or with --check compare; return 1 where something is out of date."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the protocol's documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing, say what is out of date")
    checks = parser.parse_args().check
    stale = [path for path, content in generated().items() if not path.exists() or path.read_text() != content]
    for path in stale:
        if checks:
            sys.stdout.write(f"{path.name} is out of date: run python -m docs.wire.write\n")
        else:
            path.write_text(generated()[path])
    return 1 if checks and stale else 0


if __name__ == "__main__":
    sys.exit(main())
