"""Outbound: everything that speaks to providers, and the only room with httpx.

`registry` builds a `Provider` from configuration; `dialects/` holds one folder
per wire format; `transport` moves bytes; `sse` frames them. Which provider
serves a call, and how often it is tried, is decided in `engine`.
"""
