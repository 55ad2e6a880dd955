"""Attacks on the port of a real server process, while a caller that means well goes on streaming.

python -m tests.hostile          # all of them, and the table for docs/reliability.md
"""
