"""The worked example of docs/clearing.md: a provider of 64 lots fails after two of eight hours."""

from house import DOLLARS, House

PEOPLE = ("prov", "ann", "bob", "cat", "s1", "s2", "s3")
BOND = 48_588_826
MONEY = 5_000 * DOLLARS


def before_the_failure(core):
    """The venue at 02:00, when the last heartbeat comes."""
    house = House(core, hours=8, people=PEOPLE, money=MONEY, terms={"hand_over_s": 450})
    house.do("transfer", account="prov", source="coll", target="bond", micros=BOND)
    house.certify("prov", 64)
    house.certify("s1", 40)
    house.certify("s2", 16, fabric="f2")
    house.certify("s3", 10, product="Q", fabric="g")
    house.wish("ann", gang=True, cover=True, checkpoint_s=1_800, restart_s=300)
    house.wish("bob", other_fabric=True, other_class=True)
    house.wish("cat", other_fabric=True, other_class=True, cover=True, checkpoint_s=3_600, restart_s=180)
    house.offer("prov", 64, 2_350_000)
    for name, lots in (("ann", 32), ("bob", 20), ("cat", 12)):
        house.buy(name, lots, 2_350_000)
    house.run()
    house.at(-60)
    house.standby("s1", 40, 2_600_000)
    house.standby("s2", 16, 2_700_000, fabric="f2")
    house.standby("s3", 10, 3_900_000, product="Q", fabric="g")
    house.at(0)
    for seconds, name in ((1_800, "cat"), (6_000, "ann")):
        house.at(seconds, run=False)
        house.do("checkpoint", account=name, product="P", fabric="f1", start=1_000)
    house.at(7_200, run=False)
    house.beat("prov", [(0, 64)])
    house.meter("prov", (0, 64), 0, 120)
    return house


def to_the_end(house):
    """The substitutes deliver all they owe, and the window is settled."""
    for name, lots, where in (
        ("s1", 40, {}), ("s2", 16, {"fabric": "f2"}), ("s3", 7, {"product": "Q", "fabric": "g"}),
    ):  # fmt: skip
        house.now_s = 28_700
        house.beat(name, [(0, lots)], **where)
        house.meter(name, (0, lots), 130, 350, **where)
    return house.at(29_100)
