"""The server as it is, but for one constant: a lost replica's room is free after so many seconds.

A minute is too long for a test.

    python -m tests.support.short_lived SECONDS serve --config FILE
"""

import sys

from sluice_server.__main__ import main
from sluice_server.limits import leases

if __name__ == "__main__":
    leases.LEASE_SECONDS = float(sys.argv.pop(1))
    sys.exit(main())
