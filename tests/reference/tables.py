"""The table of one type: a row for each field, or for each value."""

import re
from collections.abc import Collection, Iterator

from grpc import StatusCode

from tests.reference.contract import Enum, Field, Message, Value
from tests.reference.prose import Prose

_RULES = ("Required", "Optional", "Output only")
_STATUSES = "|".join(code.name for code in StatusCode)
_STATUS = re.compile(rf"(?P<meaning>.*\.) (?P<status>{_STATUSES})\b(?P<more>[^.]*)\.")
"""A comment whose last sentence is a gRPC status, and what comes with it."""


class Tables:
    """Writes tables of types."""

    def __init__(self, prose: Prose, linked: Collection[str]) -> None:
        """`linked`: full names of the types that have a place on the page."""
        self._prose = prose
        self._linked = linked

    def of(self, kind: Message | Enum) -> Iterator[str]:
        """Return the lines of a type's table, and an empty one below it."""
        if isinstance(kind, Enum):
            yield from self._values(kind)
        elif kind.fields:
            yield from self._fields(kind)
        else:
            yield "No fields.\n"

    def _values(self, enum: Enum) -> Iterator[str]:
        if any(_STATUS.fullmatch(_one_line(value.comment)) for value in enum.values):
            yield "| reason | number | status | meaning |"
            yield "| --- | --- | --- | --- |"
            yield from (self._reason(value, enum) for value in enum.values)
        else:
            yield "| value | number | meaning |"
            yield "| --- | --- | --- |"
            for value in enum.values:
                meaning = self._prose.line(value.comment, enum.name)
                yield f"| `{value.name}` | {value.number} | {meaning} |"
        yield ""

    def _reason(self, value: Value, enum: Enum) -> str:
        """Return a row for a reason, whose comment ends with a status and what comes with it."""
        comment = _one_line(value.comment)
        status = ""
        if found := _STATUS.fullmatch(comment):
            more = found["more"].lstrip(",; ")
            comment = found["meaning"] + (f" {more[0].upper()}{more[1:]}." if more else "")
            status = f"`{found['status']}`"
        meaning = self._prose.line(comment, enum.name)
        return f"| `{value.name}` | {value.number} | {status} | {meaning} |"

    def _fields(self, message: Message) -> Iterator[str]:
        rules = {_rule(field.comment) for field in message.fields if not field.oneof}
        rules |= {_rule(comment) for comment in message.oneofs.values()}
        if same := len(rules) == 1 and rules != {""}:
            (rule,) = rules
            whole = "All fields are" if len(message.fields) > 1 else "The field is"
            yield f"{whole} {rule}.\n"
        yield "| field | type | meaning |" if same else "| field | type | | meaning |"
        yield "| --- " * (3 if same else 4) + "|"
        oneof = ""
        for field in message.fields:
            if field.oneof and field.oneof != oneof:
                comment = message.oneofs[field.oneof]
                yield self._row(f"*{field.oneof}*", "one of", comment, message, same=same)
            oneof = field.oneof
            name = f"{'↳ ' * bool(oneof)}`{field.name}`"
            yield self._row(name, self._field_type(field), field.comment, message, same=same)
        yield ""

    def _row(self, name: str, kind: str, comment: str, message: Message, *, same: bool) -> str:
        rule = _rule(comment)
        text = comment[len(rule) + 1 :] if rule else comment
        meaning = self._prose.line(text, message.name)
        return f"| {' | '.join([name, kind, *([] if same else [rule]), meaning])} |"

    def _field_type(self, field: Field) -> str:
        short = field.type.rpartition(".")[2]
        shown = self._prose.link(short) if field.type in self._linked else f"`{short}`"
        if field.key:
            return f"map of `{field.key}` to {shown}"
        if field.label == "optional":
            return f"`{short}?`"
        return f"{field.label} {shown}".lstrip()


def _rule(comment: str) -> str:
    """Return whether a field must, may or cannot be set, as its comment begins with."""
    found = next((rule for rule in _RULES if comment.startswith(f"{rule}.")), "")
    return found.lower()


def _one_line(comment: str) -> str:
    return " ".join(comment.split())
