"""Writes the page: `python -m tests.reference FOLDER`."""

import sys
from pathlib import Path

from tests.reference.descriptors import load
from tests.reference.page import FILE, page

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
(folder / FILE).write_text(page(load()), encoding="utf-8")
