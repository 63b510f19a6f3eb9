"""What happens to a window at and behind its gate: purchases for shorts, standby capacity, nodes.

Rare work, written once on the interface that both cores have.
"""
