"""Driver of the conformance run: does with the client what it is told, and writes what it saw.

The protocol is in `tests/e2e/clients/README.md`. `orders` is what an order says, `lines` what is
written, `blocking` and `aio` carry orders out; nothing here judges. No part of the package.
"""
