"""All attacks."""

from tests.hostile import calls, connections, slow
from tests.hostile.attack import Attack

ATTACKS: dict[str, Attack] = {
    attack.name: attack for attack in (*connections.ATTACKS, *calls.ATTACKS, *slow.ATTACKS)
}
"""By name, in the order of the table."""
