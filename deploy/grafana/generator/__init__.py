"""Builds Grafana's dashboards as plain dictionaries, which `__main__` writes as JSON.

Each dashboard is a module that lists its panels. What a panel is made of is in `panels`,
what all dashboards have in common in `frame`. Nothing of the server is imported: names of
metrics are text here, and tests compare them with what a server serves.
"""
