"""Starts the driver: `python -m conformance blocking` or `asyncio`."""

import asyncio
import sys

from conformance import aio, blocking


def main() -> None:
    """Carry out the orders on standard input. Exits with 1 at one that is not understood."""
    try:
        match sys.argv[1:]:
            case ["blocking"]:
                blocking.run()
            case ["asyncio"]:
                asyncio.run(aio.run())
            case _:
                sys.exit("The one argument is blocking or asyncio.")
    except ValueError as error:
        sys.exit(str(error))


main()
