"""Fits the schemas of one text, one after the other, and remembers what does not fit."""

from __future__ import annotations

import re
from collections.abc import Hashable
from urllib.parse import quote

from sluice_server.providers.schemas import objects, rewrites, values, words
from sluice_server.providers.schemas.alternatives import Alternatives
from sluice_server.providers.schemas.conjunction import ConflictError, both
from sluice_server.providers.schemas.errors import UnfitError
from sluice_server.providers.schemas.reading import (
    SCHEMA_LISTS,
    SCHEMA_MAPS,
    Schema,
    allows_all,
    allows_none,
    encode,
    escape,
    everything,
)
from sluice_server.providers.schemas.references import MOST_SCHEMAS, TOO_MANY, References
from sluice_server.providers.schemas.subset import Subset

_DEEPEST = 64
# Each schema is looked at about three times.
_MOST_STEPS = 3 * MOST_SCHEMAS
_ODD = re.compile(r"[^A-Za-z0-9_.-]")
_COMPOSING = frozenset({"$defs", "$ref", "allOf", "definitions"})

# A schema with one of these has a type, or its parts have one.
_TYPED = frozenset({"$ref", "allOf", "anyOf", "const", "enum", "oneOf", "type"})


class Fitter:
    """Serves one schema text."""

    def __init__(self, root: Schema, subset: Subset, *, strict: bool) -> None:
        """`strict` makes a fault of what would otherwise become words.

        Raises:
            UnfitError: the text is too large.
        """
        self.faults: dict[str, str] = {}
        self._root = root
        self._subset = subset
        self._strict = strict
        self._references = References(root)
        self._alternatives = Alternatives(self._references.target, narrowed=subset.closed)
        self._original: dict[str, Schema] = {**root.get("definitions", {}), **root.get("$defs", {})}
        self._original_names = {id(held): name for name, held in self._original.items()}
        self._names: dict[Hashable, str] = {}
        self._taken = set(self._original)
        self._waiting: list[tuple[str, Schema]] = []
        self._definitions: dict[str, Schema] = {}
        self._steps = 0

    def fit(self) -> tuple[Schema, Schema]:
        """Return the fitted schema with all definitions that fit, and with the used ones only.

        Raises:
            UnfitError: something does not fit; all of it is named.
        """
        fitted = self._fit_root()
        self._fit_waiting()
        if self.faults:
            raise UnfitError(self.faults)
        used = set(self._definitions)
        self._fit_unused()
        return self._with_definitions(fitted, None), self._with_definitions(fitted, used)

    def _fit_root(self) -> Schema:
        root = self._root
        fitted = self._fit(root, 1, top=True)
        if self._subset.root_object and (fitted.get("type") != "object" or "anyOf" in fitted):
            wrong = next((k for k in ("anyOf", "oneOf", "type") if k in root), None)
            place = root.at(wrong) if wrong else root.place
            self.faults.setdefault(place, "the root must be of type object and no union")
        return fitted

    def _fit_waiting(self) -> None:
        while self._waiting:
            name, schema = self._waiting.pop(0)
            self._definitions[name] = self._fit(schema, 1, named=True)

    def _fit_unused(self) -> None:
        """Fit what nothing refers to; a definition that does not fit is not missed."""
        for name, schema in self._original.items():
            if name in self._definitions:
                continue
            before = dict(self._definitions), dict(self._names)
            self._name(schema.place, name, schema)
            try:
                self._fit_waiting()
                fits = not self.faults
            except UnfitError:
                fits = False
            if not fits:
                self._definitions, self._names = before
                self._waiting.clear()
                self.faults.clear()

    def _with_definitions(self, fitted: Schema, used: set[str] | None) -> Schema:
        order = [n for n in self._original if n in self._definitions]
        order += [n for n in self._definitions if n not in self._original]
        kept = {n: self._definitions[n] for n in order if used is None or n in used}
        whole = Schema({}, fitted.place)
        # Where the caller has them among the keywords.
        before = list(self._root)
        at = next((i for i, k in enumerate(before) if k in {"$defs", "definitions"}), len(before))
        earlier = set(before[:at]) if at < len(before) else set(fitted)
        for keyword in (k for k in fitted if k in earlier):
            whole[keyword] = fitted[keyword]
        if kept or (used is None and self._root.get("$defs") == {}):
            whole["$defs"] = kept
        for keyword, held in fitted.items():
            whole.setdefault(keyword, held)
        return whole

    # One schema

    def _take_step(self, schema: Schema, steps: int = 1) -> None:
        self._steps += steps
        if self._steps > _MOST_STEPS:
            raise UnfitError({schema.place: TOO_MANY})

    def _fit(self, schema: Schema, level: int, *, top: bool = False, named: bool = False) -> Schema:
        self._take_step(schema)
        if level > _DEEPEST:
            raise UnfitError({schema.place: "nest less, counting what references lead to"})
        if {"$dynamicRef", "$recursiveRef"} & schema.keys():
            keyword = "$dynamicRef" if "$dynamicRef" in schema else "$recursiveRef"
            self._fault(schema, keyword, "use $ref, dynamic references are not taken")
            return everything(schema.place)
        if "$ref" in schema or ("allOf" in schema and not self._takes_all_of(schema)):
            return self._compose(schema, level, top=top, named=named)
        return self._fit_plain(schema.copy(), level, top=top)

    def _takes_all_of(self, schema: Schema) -> bool:
        """Tell whether `allOf` can stay: closed objects would forbid each other's properties."""
        parts: list[Schema] = schema["allOf"]
        return (
            "allOf" in self._subset.keywords
            and len(parts) > 1
            and not any(
                {"$ref", "allOf", "anyOf", "oneOf"} & part.keys() or allows_none(part)
                for part in parts
            )
            and not (self._subset.closed and any(map(rewrites.names_objects, [schema, *parts])))
        )

    def _compose(self, schema: Schema, level: int, *, top: bool, named: bool) -> Schema:
        """Fit a schema with references or `allOf`: a bare reference stays, the rest is merged."""
        if len(schema.get("allOf", ())) == 1 and self._says_only(schema, "allOf"):
            return self._fit(schema["allOf"][0], level, top=top, named=named)
        # What stays a reference is looked into where its definition is fitted.
        stays = self._says_only(schema, "$ref") and not (top and self._subset.root_object)
        targets = self._targets(schema, (), deep=not stays)
        if targets is None:
            return everything(schema.place)
        circular = [t for t in targets if self._references.is_recursive(t)]
        if circular and not self._subset.recursive:
            keyword = "$ref" if "$ref" in schema else "allOf"
            self._fault(schema, keyword, "write out a bounded depth, recursion is not taken")
            return everything(schema.place)
        if stays:
            return self._refer(schema, targets[0])
        if circular and not top and not named:
            # Written out in place it would never end.
            hint = circular[0].place.rpartition("/")[2] or "root"
            copy = schema.copy()
            return self._reference(schema, self._name(("copy", encode(schema)), hint, copy))
        return self._fit(self._merge(schema), level, top=top)

    def _says_only(self, schema: Schema, keyword: str) -> bool:
        """Tell whether nothing that would stay stands beside a keyword."""
        told = self._subset.annotations
        return [*rewrites.constraints(schema), *(k for k in schema if k in told)] == [keyword]

    def _targets(
        self, schema: Schema, chain: tuple[int, ...], *, deep: bool = True
    ) -> list[Schema] | None:
        """Return what applies here by reference; None, with a fault, when one leads nowhere."""
        self._take_step(schema)
        found: list[Schema] = []
        if "$ref" in schema:
            target = self._references.target(schema)
            if target is None:
                self._fault(schema, "$ref", "refer to a schema in this text, none is fetched")
                return None
            if id(target) in chain or len(chain) > _DEEPEST:
                self._fault(schema, "$ref", "break the circle of references")
                return None
            found.append(target)
            parts = target.get("allOf", ())
            if "$ref" in target or (parts and (deep or len(parts) == 1)):
                further = self._targets(target, (*chain, id(target)), deep=deep)
                if further is None:
                    return None
                found += further
        for part in schema.get("allOf", ()):
            further = self._targets(part, (*chain, id(part)))
            if further is None:
                return None
            found += further
        return found

    def _merge(self, schema: Schema) -> Schema:
        merged = everything(schema.place)
        unsaid: list[str] = []
        for part in self._atoms(schema):
            # Each merge goes through the properties that are there already.
            self._take_step(schema, 1 + len(merged.get("properties", ())) // 8)
            try:
                merged = both(merged, part)
            except ConflictError as conflict:
                if self._strict:
                    self.faults.setdefault(
                        conflict.place,
                        "write one schema of this and what applies beside it, "
                        "they cannot be merged",
                    )
                else:
                    unsaid.append(words.say("allOf", part))
        merged.place = schema.place
        return _with_words(merged, unsaid)

    def _atoms(self, schema: Schema) -> list[Schema]:
        """Return the schemas that apply, what stands at the place itself last."""
        self._take_step(schema)
        atoms: list[Schema] = []
        if "$ref" in schema and (target := self._references.target(schema)) is not None:
            atoms += self._atoms(target)
        for part in schema.get("allOf", ()):
            atoms += self._atoms(part)
        rest = schema.copy()
        for keyword in _COMPOSING:
            rest.pop(keyword, None)
        return [*atoms, rest] if not allows_all(rest) else atoms

    def _refer(self, schema: Schema, target: Schema) -> Schema:
        name = target.place.removeprefix("/$defs/")
        if target is self._root or (f"/$defs/{name}" == target.place and "/" not in name):
            if target is not self._root:
                plain = self._original_names[id(target)]
                self._name(target.place, plain, target)
            kept = Schema({"$ref": schema["$ref"]}, schema.place)
            if kept["$ref"].startswith("#/") or kept["$ref"] == "#":
                return kept
        hint = target.place.rpartition("/")[2] or "root"
        return self._reference(schema, self._name(target.place, hint, target))

    def _reference(self, schema: Schema, name: str) -> Schema:
        reference = Schema({}, schema.place)
        place = schema.at("$ref") if "$ref" in schema else schema.place
        reference.put("$ref", f"#/$defs/{quote(escape(name), safe='~')}", place)
        return reference

    def _name(self, key: Hashable, hint: str, schema: Schema) -> str:
        """Return the name of a definition, which is new when nothing led to it so far."""
        if key in self._names:
            return self._names[key]
        name = hint
        if self._original.get(hint) is not schema:
            stem = name = _ODD.sub("_", hint) or "schema"
            number = 2
            while name in self._taken:
                name = f"{stem}_{number}"
                number += 1
        self._taken.add(name)
        self._names[key] = name
        self._waiting.append((name, schema))
        return name

    def _fit_plain(self, schema: Schema, level: int, *, top: bool) -> Schema:
        subset = self._subset
        told = rewrites.strip(schema, subset)
        rewrites.modernize(schema)
        rewrites.exchange_const(schema, subset)
        rewrites.close_bounds(schema, subset)
        union = self._fit_unions(schema, told)
        if union is None:
            union = rewrites.split_types(schema, subset)
        if union is not None:
            return self._fit(_with_words(union, told), level, top=top)
        if subset.typed and not {"anyOf", "type"} & schema.keys():
            rewrites.infer_type(schema)
        self._fit_objects(schema)
        fitted = Schema({}, schema.place)
        for keyword in schema:
            self._fit_keyword(schema, keyword, fitted, told, level)
        if subset.typed:
            self._check_types(schema, fitted)
        return _with_words(fitted, told)

    def _fit_unions(self, schema: Schema, told: list[str]) -> Schema | None:
        """Make `oneOf` an `anyOf`; return a union to fit instead when one must say more."""
        if "oneOf" in schema and "oneOf" not in self._subset.keywords:
            if not self._alternatives.are_exclusive(schema["oneOf"]):
                if self._strict:
                    self._fault(
                        schema,
                        "oneOf",
                        "use anyOf, or tell the alternatives apart by a required property "
                        "with a const",
                    )
                else:
                    told.append(words.say("oneOf", None))
            if "anyOf" in schema:
                return rewrites.distribute(schema, "oneOf")
            rewrites.replace(schema, "oneOf", "anyOf", schema["oneOf"])
        if "anyOf" not in schema:
            return None
        branches = [branch for branch in schema["anyOf"] if not allows_none(branch)]
        if len(branches) < len(schema["anyOf"]):
            if not branches:
                self._fault(schema, "anyOf", "allow something, no alternative does")
            schema.put("anyOf", branches, schema.at("anyOf"))
        beside = [k for k in rewrites.constraints(schema) if k not in {"anyOf", "nullable"}]
        if beside and self._must_say_all(schema, branches):
            return rewrites.distribute(schema, "anyOf")
        return None

    def _must_say_all(self, schema: Schema, branches: list[Schema]) -> bool:
        """Tell whether each alternative must also say what stands beside the union."""
        if self._subset.typed and any(not _TYPED & branch.keys() for branch in branches):
            return True
        return self._subset.closed and rewrites.names_objects(schema)

    def _fit_objects(self, schema: Schema) -> None:
        objects.forbid_unevaluated(schema)
        if not self._subset.closed or "anyOf" in schema or not rewrites.names_objects(schema):
            return
        if "type" not in schema:
            rewrites.put_first(schema, "type", "object")
        for keyword in ("const", "enum"):
            if keyword in schema and rewrites.lists_object(schema, keyword):
                self._fault(schema, keyword, "spell out properties, objects are no values here")
                return
        if not objects.may_be_closed(schema, strict=self._strict):
            self._fault(
                schema,
                "additionalProperties",
                "set it to false, or use an array of names and values, "
                "only named properties are taken",
            )
            return
        impossible = objects.close(schema)
        if impossible is not None:
            self.faults.setdefault(impossible, "require only properties that may be there")
        if self._subset.all_required:
            for name, held in schema.get("properties", {}).items():
                if name not in schema.get("required", ()):
                    self.faults.setdefault(
                        held.place,
                        "list it in required and let it also be null, "
                        "every property must be required",
                    )

    def _check_types(self, schema: Schema, fitted: Schema) -> None:
        if not {"$ref", "anyOf", "type"} & fitted.keys():
            self.faults.setdefault(schema.place, "say the type")
        if "array" in (rewrites.types(fitted) or ()) and "items" not in fitted:
            self.faults.setdefault(schema.place, "say what the items are")

    # One keyword

    def _fit_keyword(
        self, schema: Schema, keyword: str, fitted: Schema, told: list[str], level: int
    ) -> None:
        held, place = schema[keyword], schema.at(keyword)
        subset = self._subset
        if keyword in subset.annotations:
            fitted.put(keyword, held, place)
        elif keyword not in subset.keywords or not self._takes_value(keyword, held):
            if self._strict:
                self._fault(schema, keyword, "remove it, this is not taken")
                return
            told.append(words.say(keyword, held))
            taken = subset.values.get(keyword)
            number = values.whole(held)
            if taken and number is not None:
                fitted.put(keyword, max(v for v in taken if v <= number), place)
        elif keyword == "items" and "prefixItems" in schema and "prefixItems" not in fitted:
            # They would apply to the first items too.
            told.append(words.say("items", held))
        elif isinstance(held, Schema):
            if keyword == "additionalProperties" and (allows_none(held) or held.literal):
                fitted.put(keyword, not allows_none(held), place)
            else:
                fitted.put(keyword, self._fit(held, level + 1), place)
        elif keyword in SCHEMA_LISTS:
            fitted.put(keyword, [self._fit(item, level + 1) for item in held], place)
        elif keyword in SCHEMA_MAPS:
            children = {name: self._fit(item, level + 1) for name, item in held.items()}
            fitted.put(keyword, children, place)
        else:
            fitted.put(keyword, held, place)

    def _takes_value(self, keyword: str, held: object) -> bool:
        if keyword == "format" and self._subset.formats is not None:
            return held in self._subset.formats
        taken = self._subset.values.get(keyword)
        return taken is None or values.whole(held) in taken

    def _fault(self, schema: Schema, keyword: str, why: str) -> None:
        self.faults.setdefault(schema.at(keyword), why)


def _with_words(schema: Schema, sentences: list[str]) -> Schema:
    """Add sentences to the description."""
    if sentences:
        told = schema.get("description")
        before = [told] if isinstance(told, str) and told else []
        schema.put("description", "\n\n".join([*before, " ".join(sentences)]), schema.place)
    return schema
