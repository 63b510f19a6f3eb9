"""The clearinghouse: money, margin, default, reallocation, settlement (docs/clearing.md).

Pure functions of integers, and the bookkeeping that the engine drives with them. Rounding is the same everywhere: one
division a formula, at its end; up for what a participant owes, down for what he is paid.
"""
