"""The leaf book through its C interface, beside a std::map of lists, on the same stream of operations."""

import ctypes
import subprocess
from functools import cache
from typing import Any

import numpy as np

import ext.book
from bench.harness import ROOT, Row, benchmark, conditions, middle, rounds

SEED = 20261123
FUNCTIONS = ("create", "destroy", "add", "cancel", "replace", "fills", "prefetch")
LIVE = {"mixed": 17_000, "deep": 1_000_000}
LOOK_AHEAD = 8  # Operations ahead at which a client with a queue of them fetches their orders.
WIDTH_TICKS = {"mixed": 200, "deep": 4_000}


@cache
def native() -> ctypes.CDLL:
    """Build (when older than its sources) and load the C++ part."""
    source = ROOT / "bench" / "native"
    library = ROOT / "bench" / "build" / "libbench.so"
    if not library.exists() or any(path.stat().st_mtime > library.stat().st_mtime for path in source.iterdir()):
        library.parent.mkdir(exist_ok=True)
        command = ["g++", "-std=c++17", "-O3", "-g", "-shared", "-fPIC", "-o", str(library), str(source / "bench.cpp")]
        subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(library))
    for name in ("flow_make", "flow_cliff", "flow_ops"):
        getattr(loaded, name).restype = ctypes.c_void_p
    for name in ("run_map", "run_hourglass"):
        getattr(loaded, name).restype = ctypes.c_double
    return loaded


@cache
def book_api() -> Any:
    """The leaf book's functions as an array of pointers, read from the module's C capsules."""
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsules = [ext.book.__pyx_capi__[f"hg_book_{name}"] for name in FUNCTIONS]
    return (ctypes.c_void_p * len(capsules))(*(get_pointer(capsule, get_name(capsule)) for capsule in capsules))


def measure(flow: ctypes.c_void_p, orders_max: int, small: bool) -> tuple[float, float, float, int]:
    """(our ns one by one, ours with look-ahead, the baseline's ns, hash) per operation; the fills must be the same."""
    count, digest, fills = ctypes.c_uint32(), ctypes.c_uint64(), ctypes.c_uint64()
    native().flow_ops(flow, 1, ctypes.byref(count))
    ours, looking, theirs, hashes = [], [], [], set()
    for _ in range(rounds(small)):
        out = (ctypes.byref(digest), ctypes.byref(fills))
        theirs.append(native().run_map(flow, *out))
        hashes.add(digest.value)
        for ahead, samples in ((0, ours), (LOOK_AHEAD, looking)):
            samples.append(native().run_hourglass(flow, book_api(), ctypes.c_uint32(orders_max), ahead, *out))
            hashes.add(digest.value)
    if len(hashes) != 1:
        raise AssertionError(f"the books disagree about the fills: {hashes}")
    operations = max(count.value, fills.value if count.value == 1 else 0)
    figures = [middle(samples) / operations * 1e9 for samples in (ours, looking, theirs)]
    return figures[0], figures[1], figures[2], hashes.pop()


def row(ours: float, looking: float, theirs: float, digest: int, **more: Any) -> Row:
    """A result row of this module."""
    more |= {"look_ahead": LOOK_AHEAD, "ns_with_look_ahead": round(looking, 1)}
    return {
        "ns": round(ours, 1), "baseline": "std::map", "baseline_ns": round(theirs, 1), "ratio": round(theirs / ours, 2),
        "hash": f"{digest:016x}", "conditions": conditions(seed=SEED, **more),
    }  # fmt: skip


def book_flow(shape: str, small: bool) -> tuple[ctypes.c_void_p, int, dict[str, Any]]:
    """The standard stream: 55 % add (30 % of them marketable), 40 % cancel, 5 % replace.

    A cancel that would let the book run empty becomes an add, so the mix drawn is in the conditions.
    """
    live = LIVE[shape] // (100 if small else 1)
    timed = 10_000 if small else 1_000_000
    flow = ctypes.c_void_p(native().flow_make(ctypes.c_uint64(SEED), live, timed, 100_000, WIDTH_TICKS[shape]))
    detail = {"operations": timed, "live_at_start": live, "live_at_end": native().flow_live(flow)} | shares(flow)
    return flow, live * 2 + timed, detail


OP = np.dtype([("kind", "u1"), ("side", "u1"), ("price", "<i4"), ("lots", "<i4"), ("id", "<u4")], align=True)


def operations(flow: ctypes.c_void_p, timed: bool) -> np.ndarray:
    """The stream as an array, for those who feed it to something else."""
    count = ctypes.c_uint32()
    address = native().flow_ops(flow, int(timed), ctypes.byref(count))
    data = (ctypes.c_char * (count.value * OP.itemsize)).from_address(address)
    return np.frombuffer(data, OP)


def shares(flow: ctypes.c_void_p) -> dict[str, float]:
    """The mix as drawn."""
    kinds = np.bincount(operations(flow, True)["kind"], minlength=3) / len(operations(flow, True))
    return dict(zip(("adds", "cancels", "replaces"), (round(float(share), 3) for share in kinds), strict=True))


def run_shape(shape: str, small: bool) -> Row:
    flow, orders_max, detail = book_flow(shape, small)
    try:
        return row(*measure(flow, orders_max, small), **detail)
    finally:
        native().flow_free(flow)


@benchmark("book.mixed")
def book_mixed(small: bool) -> Row:
    return run_shape("mixed", small)


@benchmark("book.deep")
def book_deep(small: bool) -> Row:
    return run_shape("deep", small)


@benchmark("book.cliffs")
def book_cliffs(small: bool) -> Row:
    """Shapes that make some books fall off: the worst of them is the figure, each is in the conditions."""
    kinds = {"one_price": 100_000, "gaps_100000_ticks": 100_000, "sweep": 500_000, "swing_40_percent": 100_000}
    found: dict[str, Any] = {}
    worst = (0.0, 0.0, 0.0, 0)
    for kind, (name, size) in enumerate(kinds.items()):
        count = size // (100 if small else 1)
        flow = ctypes.c_void_p(native().flow_cliff(ctypes.c_uint64(SEED), kind, count))
        try:
            figures = measure(flow, count * 2 + 16, small)
        finally:
            native().flow_free(flow)
        found[name] = {"ns": round(figures[0], 1), "std_map_ns": round(figures[2], 1)}
        worst = max(worst, figures)
    return row(*worst, **found)
