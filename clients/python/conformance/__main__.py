"""Starts the driver: `python -m conformance blocking` or `asyncio`."""

import asyncio
import sys

from conformance import aio, blocking

match sys.argv[1:]:
    case ["blocking"]:
        blocking.run()
    case ["asyncio"]:
        asyncio.run(aio.run())
    case _:
        sys.exit("The one argument is blocking or asyncio.")
