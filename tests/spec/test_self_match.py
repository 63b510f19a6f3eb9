"""Self-match prevention (STP rules of docs/spec/orders.md). ``ann`` and ``ann2`` are one owner."""


def test_cancel_resting_lets_matching_go_on_stp_001(venue):
    venue.sell("ann2", 5, 100)
    venue.sell("bob", 5, 100)
    assert venue.buy("ann", 7, 100) == [
        "ack ann #1 o2 buy 7@100 leaves=7",
        "done ann2 #1 o0 STP sell 5@100",
        "fill bob #1 o1 sell 5@100 cum=5 m1",
        "fill ann #1 o2 taker buy 5@100 cum=5 leaves=2 m1",
        "trade buy 5@100 m1",
    ]


def test_cancel_incoming_leaves_the_resting_order_stp_002(venue):
    venue.sell("bob", 2, 100)
    venue.sell("ann2", 5, 100)
    assert venue.buy("ann", 7, 100, stp=1)[-1] == "done ann #1 o2 STP buy 5@100 cum=2"
    assert venue.book() == ([], [(100, 5, 1)])


def test_cancel_both_ends_resting_then_incoming_stp_003(venue):
    venue.sell("ann2", 5, 100)
    assert venue.buy("ann", 7, 100, stp=2) == [
        "ack ann #1 o1 buy 7@100 leaves=7",
        "done ann2 #1 o0 STP sell 5@100",
        "done ann #1 o1 STP buy 7@100",
    ]
    assert venue.book() == ([], [])


def test_decrement_shrinks_the_larger_resting_order_stp_004(venue):
    venue.sell("ann2", 9, 100, display=8)
    venue.sell("bob", 1, 100)
    assert venue.buy("ann", 3, 100, stp=3) == [
        "ack ann #1 o2 buy 3@100 leaves=3",
        "replaced ann2 #1 o0 sell 6@100 leaves=6",
        "done ann #1 o2 STP buy 3@100",
    ]
    assert venue.book() == ([], [(100, 7, 2)])
    assert venue.buy("cat", 1, 100)[1].startswith("fill ann2")  # It kept its place.


def test_decrement_goes_on_with_what_the_incoming_order_keeps_stp_004(venue):
    venue.sell("ann2", 3, 100)
    venue.sell("bob", 9, 100)
    assert venue.buy("ann", 5, 100, stp=3)[:4] == [
        "ack ann #1 o2 buy 5@100 leaves=5",
        "done ann2 #1 o0 STP sell 3@100",
        "replaced ann #1 o2 buy 2@100 leaves=2",
        "fill bob #1 o1 sell 2@100 cum=2 leaves=7 m1",
    ]


def test_decrement_of_equals_ends_both_stp_004(venue):
    venue.sell("ann2", 3, 100)
    assert venue.buy("ann", 3, 100, stp=3)[1:] == ["done ann2 #1 o0 STP sell 3@100", "done ann #1 o1 STP buy 3@100"]


def test_decrement_after_fills_tells_totals_stp_004(venue):
    venue.sell("bob", 2, 99)
    venue.sell("ann2", 9, 100)
    venue.buy("cat", 4, 100)
    assert venue.buy("ann", 2, 100, stp=3)[1] == "replaced ann2 #1 o1 sell 7@100 cum=2 leaves=5"


def test_incoming_orders_mode_decides_stp_001(venue):
    venue.sell("ann2", 5, 100, stp=1)
    assert venue.buy("ann", 5, 100, stp=0)[1] == "done ann2 #1 o0 STP sell 5@100"


def test_cancelled_resting_order_of_a_quote_is_flagged_stp_001(venue):
    venue.quote("ann2", (1, 90, 0, 100, 5, 7))
    assert venue.buy("ann", 5, 100)[1] == "done ann2 lane=7 o0 quote STP sell 5@100"


def test_replace_uses_its_own_mode_stp_002(venue):
    venue.sell("ann2", 5, 100)
    venue.buy("ann", 5, 99)
    assert venue.replace("ann", "o1", 5, 100, stp=1) == [
        "ack ann #2 o1",
        "replaced ann #1 o1 buy 5@100 leaves=5",
        "done ann #1 o1 STP buy 5@100",
    ]
