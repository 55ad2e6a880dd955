"""The bench: what a call through Sluice costs, beside the least that it could cost.

    python -m tests.bench --scenario burst --rounds 5

`plan` holds what is asked and answered, `upstream` plays the provider, `floor` is the relay
that does nothing else, `load` asks and `verify` checks every answer, `measure` reads the
kernel's accounts, `servers` starts and stops processes, `run` orders the rounds and `report`
turns them into tables. Correctness of the gateway is tested elsewhere; here an answer is only
checked so that no figure is ever taken from a wrong one.
"""
