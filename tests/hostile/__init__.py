"""Connections and calls that mean harm, against the real port of a real server."""
