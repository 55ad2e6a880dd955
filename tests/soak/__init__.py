"""The soak: thousands of calls through one server, with faults, departures and slow readers.

    python -m tests.soak --calls 20000 --seed 7

`plan` draws what happens to each call, `wire` and `faults` say how providers answer, `providers`
play them, `caller` makes the calls and judges every answer as it arrives, `footprint` watches the
server's process, `run` puts it together, `audit` compares all accounts afterwards, and `report`
prints them. What a single fault must lead to is tested elsewhere; here nothing may add up wrongly.
"""
