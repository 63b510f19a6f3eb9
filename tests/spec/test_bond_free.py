"""A bond is free again when everything sold has been delivered (CLR-LED-004)."""

from house import DOLLARS, House


def test_a_bond_is_free_again_after_the_settlement_clr_led_004(core):
    house = House(core(), people=("prov", "ann"), money=1_000 * DOLLARS)
    house.do("transfer", account="prov", source="coll", target="bond", micros=10 * DOLLARS)
    house.certify("prov", 4)
    house.trade("prov", "ann", 4, 2_000)
    house.run()
    house.at(0)
    assert house.do("transfer", account="prov", source="bond", target="coll", micros=1) == "BALANCE"
    house.now_s = 3_500
    house.beat("prov", [(0, 4)])
    house.meter("prov", (0, 4), 0, 60)
    house.at(4_600)
    assert house.do("transfer", account="prov", source="bond", target="coll", micros=10 * DOLLARS) is None
