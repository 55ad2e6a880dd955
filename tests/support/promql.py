"""What a PromQL expression names and gives: metrics, labels, and the labels of its result.

The grammar is a parser's business; here its trees are only read. Variables of Grafana have
to be replaced before.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

import promql_parser
from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatchOp,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

TARGET = frozenset({"job", "instance"})
"""Labels that Prometheus adds to whatever it scrapes."""

Known = Mapping[str, Set[str]]
"""Labels by name of metric, without those of the target."""


@dataclass(frozen=True)
class Use:
    """A label that an expression names, and the metrics that must have it."""

    label: str
    metrics: frozenset[str]
    """One of them is enough: an aggregation may be over several."""


def metrics_of(expression: str) -> set[str]:
    """Return the names of all metrics."""
    return {_name(s) for s in _selectors(promql_parser.parse(expression))}


def uses_of(expression: str) -> list[Use]:
    """Return every label that is matched, grouped by or joined on."""
    uses = []
    for node in _nodes(promql_parser.parse(expression)):
        below = frozenset(_name(selector) for selector in _selectors(node))
        if isinstance(node, VectorSelector):
            uses += [Use(matcher.name, below) for matcher in node.matchers.matchers]
        elif isinstance(node, AggregateExpr) and node.modifier is not None:
            uses += [Use(label, below) for label in node.modifier.labels]
        elif isinstance(node, BinaryExpr) and node.modifier is not None:
            matching = node.modifier.matching
            named = [*(matching.labels if matching else ()), *(node.modifier.group_labels or ())]
            uses += [Use(label, below) for label in named]
    return uses


def missing(expression: str, known: Known) -> list[str]:
    """Return what the expression names and nobody has: metrics, and labels as metric{label}."""
    unknown = sorted(metrics_of(expression) - set(known))
    for use in uses_of(expression):
        has = [known[metric] | TARGET for metric in use.metrics if metric in known]
        if has and not any(use.label in labels for labels in has):
            unknown.append(f"{'|'.join(sorted(use.metrics))}{{{use.label}}}")
    return unknown


def labels_of(expression: str, known: Known) -> set[str]:
    """Return the labels that series of the result can have."""
    return _labels(promql_parser.parse(expression), known)


def _labels(node: Expr, known: Known) -> set[str]:
    if isinstance(node, MatrixSelector):
        return _labels(node.vector_selector, known)
    if isinstance(node, VectorSelector):
        return set(known.get(_name(node), ())) | TARGET
    if isinstance(node, (ParenExpr, UnaryExpr, SubqueryExpr)):
        return _labels(node.expr, known)
    if isinstance(node, AggregateExpr):
        if str(node.op) in {"topk", "bottomk"}:
            return _labels(node.expr, known)
        if node.modifier is None:
            return set()
        assert node.modifier.type == AggModifierType.By, "`without` is not read here"
        return set(node.modifier.labels)
    if isinstance(node, Call):
        return _called(node, known)
    if isinstance(node, BinaryExpr):
        left, right = _labels(node.lhs, known), _labels(node.rhs, known)
        if str(node.op) == "or":
            return left | right
        extra = (node.modifier and node.modifier.group_labels) or []
        return (left or right) | set(extra)
    return set()


def _called(node: Call, known: Known) -> set[str]:
    name = node.func.name
    arguments: list[Expr] = list(node.args)
    if name == "absent":
        return {
            matcher.name
            for selector in _selectors(node)
            for matcher in selector.matchers.matchers
            if matcher.op == MatchOp.Equal and isinstance(arguments[0], VectorSelector)
        }
    labels = set[str]().union(*(_labels(argument, known) for argument in arguments))
    return labels - {"le"} if name == "histogram_quantile" else labels


def _name(selector: VectorSelector) -> str:
    assert selector.name, "a selector without a name"
    return selector.name


def _selectors(node: Expr) -> Iterator[VectorSelector]:
    return (found for found in _nodes(node) if isinstance(found, VectorSelector))


def _nodes(root: Expr) -> list[Expr]:
    nodes: list[Expr] = []
    promql_parser.walk(root, nodes.append)
    return nodes
