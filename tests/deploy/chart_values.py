"""Makes the table in the chart's README of the comments in its values.yaml.

python -m tests.deploy.chart_values
"""

import json
import re
from collections.abc import Iterator

import yaml

from tests.deploy.charts import CHART

README = CHART / "README.md"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"


def described(text: str) -> Iterator[tuple[str, str]]:
    """Yield the paths of values that have a comment right above them, with the comment."""
    above: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        found = re.match(r"( *)([A-Za-z]\w*):", line)
        if line.lstrip().startswith("#"):
            comment.append(line.lstrip().lstrip("#").strip())
        elif found and not line.lstrip().startswith("-"):
            above = [*above[: len(found[1]) // 2], found[2]]
            if comment:
                yield ".".join(above), " ".join(comment)
            comment = []
        else:
            # A blank line ends a comment that is about the file.
            comment = []


def table(text: str) -> str:
    """Return the table as Markdown; values of sections that have rows of their own are left out."""
    values = yaml.safe_load(text)
    rows = list(described(text))
    lines = ["| value | default | meaning |", "| --- | --- | --- |"]
    for path, comment in rows:
        value = values
        for key in path.split("."):
            value = value[key]
        inside = any(other.startswith(f"{path}.") for other, _ in rows)
        default = "" if inside else f"`{json.dumps(value)}`"
        lines.append(f"| `{path}` | {default} | {comment.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def with_table(readme: str, new: str) -> str:
    """Return the README with this table between its marks."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + new + END + rest.split(END)[1]


if __name__ == "__main__":
    made = table((CHART / "values.yaml").read_text(encoding="utf-8"))
    README.write_text(with_table(README.read_text(encoding="utf-8"), made), encoding="utf-8")
