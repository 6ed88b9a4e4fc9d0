"""The user's conditions: checked when the documents stage starts, judged over an order's facts.

A condition is an expression of `rule_engine`, which has no names but ours, and reaches nothing of Python. What could loop or eat
memory is refused before it is parsed: comprehensions, powers, shifts, regular expressions, built-ins, numbers with exponents, and
all attributes but a few of texts.

What belongs here: the guard, the check and the judging. What does not: reading facts (`facts`), and acting on it (`judging`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cloudsales_pipeline.documents.facts import MEANINGS, Facts
from cloudsales_pipeline.errors import SettingsError
from cloudsales_pipeline.settings.documents import DocumentKind, DocumentRule, DocumentSettings

if TYPE_CHECKING:
    import rule_engine

LONGEST = 500
ATTRIBUTES = ("as_lower", "as_upper", "starts_with", "ends_with", "is_empty", "length")
_TEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_REFUSED = (
    (re.compile(r"\*\*"), "`**` (powers)"),
    (re.compile(r"<<|>>"), "`<<` and `>>` (shifts)"),
    (re.compile(r"~"), "`~` (regular expressions)"),
    (re.compile(r"\$"), "`$` (built-ins)"),
    (re.compile(r"\bfor\b"), "`for` (comprehensions)"),
    (re.compile(r"[\d.][eE][+-]?\d"), "numbers with an exponent"),
    (re.compile(r"0[xXbBoO]"), "numbers that are not decimal"),
    (re.compile(r"[^\w\s.,()\[\]+\-*/%<>=!?:\"']"), "signs other than . , ( ) [ ] + - * / % < > = ! ? :"),
)
MIXED = "compares or counts things of different types: texts stand in quotes, numbers don't, yes-or-no facts stand alone"
_ATTRIBUTE = re.compile(r"\.\s*([A-Za-z_]\w*)")


@dataclass(frozen=True)
class CheckedRule:
    """A rule whose condition was parsed against the facts' types; `place` from 1, as the settings have them."""

    place: int
    setting: DocumentRule
    names: frozenset[str]
    condition: rule_engine.Rule

    @property
    def title(self) -> str:
        """What reports call it, and what is kept on a document (I-36)."""
        return self.setting.name or self.setting.when


@dataclass(frozen=True)
class CheckedRules:
    """All rules, in the settings' order."""

    rules: tuple[CheckedRule, ...]

    def mention(self, name: str) -> bool:
        """Whether one of them looks at this fact."""
        return any(name in rule.names for rule in self.rules)


@dataclass(frozen=True)
class Decision:
    """A document that the rules want for an order."""

    rule: CheckedRule
    courier: str | None = None
    service: str | None = None


@dataclass(frozen=True)
class Judgement:
    """What the rules want, by kind, and those that could not be judged: (rule, why)."""

    decisions: Mapping[DocumentKind, Decision]
    failed: tuple[tuple[CheckedRule, str], ...] = ()


@lru_cache(maxsize=64)
def check_rules(documents: DocumentSettings) -> CheckedRules:
    """Parse every condition against the facts' types.

    Raises:
        SettingsError: the first rule with a fault: which one, its line in the settings file where it is found there, what is
            wrong, and for an unknown name the nearest that is known.
    """
    return CheckedRules(tuple(_checked(place, rule) for place, rule in enumerate(documents.rules, start=1)))


def decide(rules: CheckedRules, facts: Facts) -> Mapping[DocumentKind, Decision]:
    """For each kind of document, the first rule that holds."""
    return judge(rules, facts).decisions


def judge(rules: CheckedRules, facts: Facts) -> Judgement:
    """As `decide`, with the rules that failed: one that divides by zero does not hold for this order, and the next is asked."""
    values = {name: getattr(facts, name) for name in Facts.__struct_fields__}
    decisions: dict[DocumentKind, Decision] = {}
    failed = []
    for rule in rules.rules:
        if rule.setting.issue in decisions:
            continue
        holds, why = evaluate(rule, values)
        if why:
            failed.append((rule, why))
        elif holds:
            decisions[rule.setting.issue] = Decision(rule, rule.setting.courier, rule.setting.service)
    return Judgement(decisions, tuple(failed))


def evaluate(rule: CheckedRule, values: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the rule holds over these facts; and, where it can't be judged, why."""
    from rule_engine import EngineError

    try:
        return bool(rule.condition.evaluate(values)), ""
    except (EngineError, ArithmeticError, RecursionError, ValueError, TypeError, LookupError) as error:
        why = getattr(error, "message", "") or type(error).__name__
        return False, "divides by zero, or reckons what has no result" if "arithmetic" in why else why


def _checked(place: int, rule: DocumentRule) -> CheckedRule:
    from rule_engine import EngineError, Rule
    from rule_engine.errors import SymbolResolutionError

    _guard(place, rule)
    context = _context()
    try:
        condition = Rule(rule.when, context)
        kind = condition.statement.expression.result_type
        mixed = any(_is_mixed(node) for node in _nodes(condition.statement.expression))
    except SymbolResolutionError as error:
        raise _fault(place, rule, _unknown(error.symbol_name)) from None
    except RecursionError:
        raise _fault(place, rule, "is nested too deeply") from None
    except (EngineError, ArithmeticError, ValueError, TypeError, LookupError) as error:
        raise _fault(place, rule, _words(error)) from None
    if mixed:
        raise _fault(place, rule, MIXED)
    if kind.name != "BOOLEAN":
        raise _fault(place, rule, "gives no yes or no; compare it with something")
    return CheckedRule(place, rule, frozenset(context.symbols), condition)


def _nodes(node: Any) -> Iterator[Any]:
    """An expression and all that it is made of."""
    from rule_engine.ast import ExpressionBase

    yield node
    named = {name for kind in type(node).__mro__ for name in getattr(kind, "__slots__", ())}
    for name in named | vars(node).keys() if hasattr(node, "__dict__") else named:
        found = getattr(node, name, None)
        for part in found if isinstance(found, tuple | list) else (found,):
            if isinstance(part, ExpressionBase):
                yield from _nodes(part)


def _is_mixed(node: Any) -> bool:
    """Whether it asks if a text is a number and the like: the engine says no each time, and the rule would never hold."""
    kind = type(node).__name__
    if kind == "ComparisonExpression":
        return _differ(node.left.result_type, node.right.result_type)
    if kind == "ContainsExpression" and node.container.result_type.name == "ARRAY":
        return _differ(node.member.result_type, node.container.result_type.value_type)
    return False


def _differ(one: Any, other: Any) -> bool:
    return "UNDEFINED" not in (one.name, other.name) and one.name != other.name


def _guard(place: int, rule: DocumentRule) -> None:
    """Refuse what could loop, reach out or eat memory, before anything is parsed. Texts in quotes may hold anything."""
    if len(rule.when) > LONGEST:
        raise _fault(place, rule, f"is longer than {LONGEST} characters")
    bare = _TEXT.sub("''", rule.when)
    for pattern, what in _REFUSED:
        if pattern.search(bare):
            raise _fault(place, rule, f"uses {what}, which rules can't have")
    for name in _ATTRIBUTE.findall(bare):
        if name not in ATTRIBUTES:
            raise _fault(place, rule, f"asks for .{name}; known are {', '.join(ATTRIBUTES)}")


def _context() -> rule_engine.Context:
    from rule_engine import Context, DataType, resolve_item

    types = {
        "text": DataType.STRING,
        "number": DataType.FLOAT,
        "yes_or_no": DataType.BOOLEAN,
        "texts": DataType.ARRAY(DataType.STRING),
    }
    known = {name: types[kind] for name, (kind, _) in MEANINGS.items()}
    return Context(type_resolver=known, resolver=resolve_item, default_timezone="utc", mapping_attribute_lookup=False)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, MEANINGS, n=1, cutoff=0.6)
    if near:
        return f"names {name}, which is no fact of an order; did you mean {near[0]}? A text stands in quotes"
    return f"names {name}, which is no fact of an order (a text stands in quotes); facts are {', '.join(MEANINGS)}"


def _words(error: BaseException) -> str:
    message = getattr(error, "message", "") or type(error).__name__
    if "type mismatch" in message:
        return MIXED
    return f"can't be read ({message})"


def _fault(place: int, rule: DocumentRule, what: str) -> SettingsError:
    from cloudsales_pipeline.settings.reading import place_in_file

    where = place_in_file(["documents", "rules", place - 1, "when"], rule.when)
    name = f" ({rule.name})" if rule.name else ""
    return SettingsError(
        f"{where}documents.rules: rule {place}{name} {what}.",
        next_step="correct its `when`; cloudsales documents check says whether it is right",
    )
