"""Which version of the package this is, as its own metadata says."""

from importlib import metadata
from typing import Final

__version__: Final = metadata.version("sluice-client")
