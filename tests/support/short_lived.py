"""The server as it is, but for one constant: a lost replica's room is free after so many seconds.

A quarter of an hour is right for answers and too long for a test.

    python -m tests.support.short_lived SECONDS serve --config FILE
"""

import sys

from sluice_server.__main__ import main
from sluice_server.limits import admission

if __name__ == "__main__":
    admission.RESERVATION_SECONDS = float(sys.argv.pop(1))
    sys.exit(main())
