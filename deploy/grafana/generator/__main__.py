"""Writes the dashboards: `python -m deploy.grafana.generator [FOLDER]`, or `make dashboards`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from deploy.grafana.generator import callers, limits, overview, providers
from deploy.grafana.generator.panels import Json

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"


def dashboards() -> dict[str, Json]:
    """Return all dashboards by file name."""
    boards = [overview.board(), providers.board(), limits.board(), callers.board()]
    return {f"{board['uid']}.json": board for board in boards}


def text(board: Json) -> str:
    """Return the content of a dashboard's file."""
    return json.dumps(board, indent=1, ensure_ascii=False) + "\n"


def main(folder: Path) -> None:
    """Write all dashboards into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, board in dashboards().items():
        (folder / name).write_text(text(board), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
