"""Example bots. Each is one small file that uses nothing but `gateway.client`; copy one to begin your own.

``python -m gateway.bots.maker --help``, or ``hourglass bot maker --help``; likewise ``arbitrage`` and ``buyer``.
"""
