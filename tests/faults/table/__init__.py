"""All groups of faults, in the order of the page."""

from tests.faults.fault import Group
from tests.faults.table.calls import CALLS
from tests.faults.table.chunks import CHUNKS
from tests.faults.table.codings import CODINGS
from tests.faults.table.connections import CONNECTIONS
from tests.faults.table.contents import CONTENTS
from tests.faults.table.cuts import CUTS
from tests.faults.table.documents import DOCUMENTS
from tests.faults.table.ends import ENDS
from tests.faults.table.errors import ERRORS
from tests.faults.table.heads import HEADS
from tests.faults.table.lines import LINES
from tests.faults.table.silence import SILENCE
from tests.faults.table.statuses import STATUSES
from tests.faults.table.waits import WAITS

GROUPS: tuple[Group, ...] = (
    CONNECTIONS,
    HEADS,
    STATUSES,
    WAITS,
    SILENCE,
    CODINGS,
    CHUNKS,
    CUTS,
    DOCUMENTS,
    LINES,
    CONTENTS,
    ENDS,
    ERRORS,
    CALLS,
)
