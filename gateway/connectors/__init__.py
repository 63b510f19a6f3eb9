"""Connectors for the frameworks of others. Each is one file that needs nothing of this project: copy it away."""
