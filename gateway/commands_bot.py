"""`hourglass bot`: the example bots."""

import click

from gateway.bots.arbitrage import arbitrage
from gateway.bots.buyer import buyer
from gateway.bots.maker import maker


@click.group()
def bot() -> None:
    """Run one of the example bots against a venue.

    \b
    Example:
      hourglass bot maker --product H100-SXM.IB400.cuda12.T1 --fabric use1-f01 --price 2.45
    """  # noqa: D301


for command in (arbitrage, buyer, maker):
    bot.add_command(command)
