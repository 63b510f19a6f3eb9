"""A market of three windows in two fabrics, and what tests of blocks look for in its events."""

from venue import Venue


def market(core, **terms):
    """Three windows in two fabrics: instrument 1 + 2 x hour + fabric; it is S-9000s."""
    return Venue(core(), **{"fabrics": ["f1", "f2"], "count": 3, "start_s": -9_000} | terms)


def at(hour, fabric=0):
    """The handle of a window in a market of two fabrics."""
    return 1 + 2 * hour + fabric


def offer(venue, *legs, name="ann", fabric=0, side=1):
    """Rest hourly orders: of each hour a list of (lots, price)."""
    for hour, orders in enumerate(legs):
        for lots, price in orders:
            venue.do(venue.order(name, side, lots, price, instrument=at(hour, fabric)))


def example(core, **terms):
    """The asks of the worked examples: hours 14, 15, 16 are 0, 1, 2."""
    venue = market(core, **terms)
    offer(venue, [(8, 200), (16, 205)], [(16, 210)], [(4, 190), (16, 220)])
    return venue


def traded(events):
    """The trades among lines, as ``i3 16@210``; no window is named where it is the first."""
    return [event.removeprefix("trade ").removesuffix(f" {event.split()[-1]}") for event in events
            if event.startswith("trade")]  # fmt: skip


def of_block(events):
    """The block's own fills and ends."""
    return [event for event in events if " block " in event and not event.startswith("trade")]
