"""A YAML file as plain data that remembers its lines.

Stricter than YAML where YAML loses what was meant: a key written twice, a key that is no string
and a tag of another language are faults, and a date stays the text it was. Fills in environment
variables. Knows no setting by name; what the data means is judged by `load`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from sluice_server.config.faults import Fault, Location, written
from sluice_server.config.interpolate import InterpolationError, interpolate

LARGEST_FILE_BYTES = 4 * 1024 * 1024
"""A thousand providers with ten keys each take a quarter of it."""

LARGEST_DOCUMENT = 200_000
"""Values after aliases are expanded; a few lines of nested aliases can stand for billions."""

DEEPEST = 32
"""Levels of nesting. Settings have eight."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset({f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "str")})


@dataclass(slots=True)
class Document:
    """What was read, and what could not be."""

    data: dict[str, object] = field(default_factory=dict)
    lines: dict[Location, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    spoiled: set[Location] = field(default_factory=set)
    """Places with a fault from an earlier round: judging them again would repeat or mislead."""

    _fresh: set[Location] = field(default_factory=set)

    names: dict[Location, str] = field(default_factory=dict)
    """Places filled from outside the file, with what people know them by: `--listen`."""

    def put(self, location: tuple[str, ...], value: object, name: str) -> None:
        """Set a value that comes from outside the file, known to people as `name`."""
        section = self.data
        for key in location[:-1]:
            inner = section.setdefault(key, {})
            if not isinstance(inner, dict):
                return  # the fault of that section is reported with the others
            section = inner
        section[location[-1]] = value
        self.names[location] = name
        self.spoiled.discard(location)
        self._fresh.discard(location)

    def line_of(self, location: Location) -> int | None:
        """Return the line of that place, or of the nearest place around it that is written."""
        if any(location[: len(place)] == place for place in self.names):
            return None
        for end in range(len(location), -1, -1):
            if location[:end] in self.lines:
                return self.lines[location[:end]]
        return None

    def add(self, location: Location, message: str) -> None:
        """Note a fault, unless an earlier round of judging found one at that place."""
        if location not in self.spoiled:
            name = self.names.get(location, written(location))
            self.faults.append(Fault(name, message, self.line_of(location)))
            self._fresh.add(location)

    def seal(self) -> None:
        """End a round of judging: places with a fault are left alone from here on."""
        self.spoiled |= self._fresh


def read(raw: bytes, environ: Mapping[str, str]) -> Document:
    """Read a file's bytes. Never raises: what is wrong is in `faults`."""
    document = Document()
    _read(raw, environ, document)
    document.seal()
    return document


def _read(raw: bytes, environ: Mapping[str, str], document: Document) -> None:
    if len(raw) > LARGEST_FILE_BYTES:
        document.add((), f"is larger than {LARGEST_FILE_BYTES} bytes")
        return
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        document.lines[()] = raw.count(b"\n", 0, error.start) + 1
        document.add((), "is not UTF-8 text")
        return
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is not None:
            _Builder(loader, document, environ).fill(root)
    except yaml.YAMLError as error:
        message, line = _syntax_fault(error, text)
        document.lines = {} if line is None else {(): line}
        document.add((), message)
    except RecursionError:
        document.add((), "is nested too deeply")


def _syntax_fault(error: yaml.YAMLError, text: str) -> tuple[str, int | None]:
    """Return what the parser said, without the pieces of the file that it quotes, and the line."""
    if isinstance(error, yaml.reader.ReaderError):
        return (
            "is not valid YAML: it contains a control character",
            text.count("\n", 0, error.position) + 1,
        )
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or "")
    told = problem.replace('"', "'").split("'", 1)[0].strip()
    told = told.removesuffix(", but found").removeprefix("but ")
    message = f"is not valid YAML: {told}" if told else "is not valid YAML"
    return message, mark.line + 1 if mark is not None else None


class _Loader(yaml.SafeLoader):
    """Gives up as soon as the text is nested too deeply.

    For each token the library looks at all levels around it: a kilobyte of brackets took a second,
    and most of a minute where programs may recurse deeper than Python lets them by default.
    """

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        if self.flow_level > DEEPEST:
            raise RecursionError
        super().fetch_flow_collection_start(token)

    def add_indent(self, column: int) -> bool:
        if len(self.indents) > DEEPEST:
            raise RecursionError
        return bool(super().add_indent(column))


class _TooLargeError(yaml.YAMLError):
    problem = "aliases make it too large"


class _Builder:
    """Turns YAML nodes into plain data, once."""

    def __init__(
        self, loader: yaml.SafeLoader, document: Document, environ: Mapping[str, str]
    ) -> None:
        self._loader = loader
        self._document = document
        self._environ = environ
        self._left = LARGEST_DOCUMENT

    def fill(self, root: yaml.Node) -> None:
        self._document.lines[()] = root.start_mark.line + 1
        value = self._build(root, ())
        if isinstance(value, dict):
            self._document.data = value
        elif value is not None:
            self._document.add((), "must be a mapping of settings")

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _TooLargeError

    def _build(self, node: yaml.Node, location: Location) -> object:
        self._count()
        if len(location) > DEEPEST:
            raise RecursionError
        # The line of the key, where there is one, is the better one and set already.
        self._document.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self._build(item, (*location, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, location)
        self._document.add(location, "must not have a YAML tag")
        return None

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, object]:
        self._refuse_repeated_keys(node, location)
        result: dict[str, object] = {}
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                self._merge(value, location, result)
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                continue
            if not (isinstance(key, yaml.ScalarNode) and key.tag in _SCALARS):
                self._document.lines.setdefault((*location, "?"), key.start_mark.line + 1)
                self._document.add((*location, "?"), "must be a plain key")
                continue
            # As written: `on:` and `1.0:` are names here, not a truth value and a number.
            place = (*location, key.value)
            self._document.lines[place] = key.start_mark.line + 1
            result[key.value] = self._build(value, place)
        return result

    def _merge(self, node: yaml.Node, location: Location, result: dict[str, object]) -> None:
        """Take in what `<<` names; of several mappings the first wins."""
        several = isinstance(node, yaml.SequenceNode)
        for mapping in reversed(node.value) if several else [node]:
            if isinstance(mapping, yaml.MappingNode):
                self._count()
                result.update(self._mapping(mapping, location))
            else:
                self._document.add((*location, "<<"), "must name a mapping, or a list of mappings")

    def _refuse_repeated_keys(self, node: yaml.MappingNode, location: Location) -> None:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_TAG}merge":
                continue
            if key.value in seen:
                place = written((*location, key.value))
                line = key.start_mark.line + 1
                self._document.faults.append(Fault(place, "is written twice", line))
            seen.add(key.value)

    def _scalar(self, node: yaml.ScalarNode, location: Location) -> object:
        try:
            if node.tag == f"{_TAG}str":
                return interpolate(node.value, self._environ)
            if node.tag == f"{_TAG}timestamp":
                return str(node.value)  # a version such as 2024-10-21
            if node.tag in _SCALARS:
                return self._loader.construct_object(node)
        except InterpolationError as error:
            self._document.add(location, str(error))
        except (ValueError, ArithmeticError, LookupError):
            self._document.add(location, "is not a valid value")
        else:
            self._document.add(location, "must not have a YAML tag")
        return None
