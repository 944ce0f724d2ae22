"""What becomes of a scored row: the first rule that fits names its action. Data, never code."""

import re
from dataclasses import dataclass
from typing import Any, Optional

from jobs import documents
from jobs.errors import UsageError

# SQL that is the name of a column and nothing else; a bare `1`, `1e3`, `2L` or `null` is a value
COLUMN = re.compile(r"`([^`]+)`|(?!(?:null|true|false|\d+(?:e\d+)?(?:[lsyfd]|bd)?)$)(\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """`when` is a Spark SQL condition; at most `limit` rows, best first by `by` (an expression, then asc or desc)."""

    action: str
    when: str
    limit: Optional[int] = None
    by: Optional[str] = None

    @property
    def order(self) -> tuple[str, bool]:
        """`by` as (expression, descending)."""
        words = (self.by or "").rsplit(None, 1)
        if len(words) == 2 and words[1].lower() in ("asc", "desc"):
            return words[0], words[1].lower() == "desc"
        return self.by or "", False


@dataclass(frozen=True)
class Policy:
    """The rules in order, the action of the rest (None leaves a row out), and the columns of the hand-off."""

    rules: tuple[Rule, ...]
    otherwise: Optional[str]
    columns: dict[str, str]
    escape_formulas: bool = False

    @property
    def action_names(self) -> tuple[str, ...]:
        """Every action a row can get, in the policy's order."""
        names = [rule.action for rule in self.rules] + ([self.otherwise] if self.otherwise is not None else [])
        return tuple(dict.fromkeys(names))

    @property
    def has_budgets(self) -> bool:
        """Whether a rule has a limit."""
        return any(rule.limit is not None for rule in self.rules)

    def published_key(self, primary_key: tuple[str, ...]) -> tuple[str, ...]:
        """The hand-off's columns that carry the input's primary key unchanged; empty unless all of it is there."""
        named = {name: COLUMN.fullmatch(expression.strip()) for name, expression in self.columns.items()}
        carriers = {match[1] or match[2]: name for name, match in named.items() if match}
        found = tuple(carriers[name] for name in primary_key if name in carriers)
        return found if len(found) == len(primary_key) else ()

    def expressions(self) -> dict[str, str]:
        """Each SQL expression by the place it stands at, for checks and their messages."""
        spots = {}
        for number, rule in enumerate(self.rules, start=1):
            spots[f"actions[{number}].when"] = rule.when
            if rule.by:
                spots[f"actions[{number}].by"] = rule.order[0]
        for name, expression in self.columns.items():
            spots[f"columns.{name}"] = expression
        return spots


def parse(text: str, where: str) -> Policy:
    """Read a policy from JSON `text`; `where` names it in errors. Raises `UsageError`."""
    raw = documents.parse(text, f"policy {where}")
    if not isinstance(raw, dict):
        raise UsageError(f"policy {where}: must be a JSON object")
    unknown = set(raw) - {"actions", "otherwise", "columns", "escape_formulas"}
    if unknown:
        raise UsageError(
            f"policy {where}: unknown entry {sorted(unknown)[0]!r}; use actions, otherwise, columns, escape_formulas"
        )
    actions, columns, otherwise = raw.get("actions", []), raw.get("columns"), raw.get("otherwise")
    if not isinstance(actions, list):
        raise UsageError(f'policy {where}: "actions" must be a list of rules')
    if (
        not isinstance(columns, dict)
        or not columns
        or not all(isinstance(v, str) and v.strip() for v in columns.values())
    ):
        raise UsageError(
            f'policy {where}: "columns" must map each column of the CSV to an expression, as {{"ID": "ID"}}'
        )
    if len({name.lower() for name in columns}) < len(columns):
        raise UsageError(f'policy {where}: "columns" names must differ, also when case is ignored')
    if otherwise is not None and not isinstance(otherwise, str):
        raise UsageError(f'policy {where}: "otherwise" is the name of an action, or null to leave the row out')
    if not isinstance(raw.get("escape_formulas", False), bool):
        raise UsageError(f'policy {where}: "escape_formulas" is true or false')
    rules = tuple(_rule(entry, number, where) for number, entry in enumerate(actions, start=1))
    if not rules and otherwise is None:
        raise UsageError(f'policy {where}: no rule and "otherwise" is null: no row would ever get an action')
    return Policy(rules, otherwise, dict(columns), raw.get("escape_formulas", False))


def _rule(entry: Any, number: int, where: str) -> Rule:
    spot = f"policy {where}: actions[{number}]"
    if not isinstance(entry, dict) or set(entry) - {"action", "when", "limit", "by"}:
        raise UsageError(f"{spot}: a rule has action, when and, for a budget, limit and by")
    if not all(isinstance(entry.get(part), str) and entry[part].strip() for part in ("action", "when")):
        raise UsageError(f'{spot}: "action" and "when" must be texts')
    limit, by = entry.get("limit"), entry.get("by")
    if (limit is None) != (by is None):
        raise UsageError(f'{spot}: "limit" and "by" go together: how many, and which ones first')
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or not 0 <= limit < 1 << 31):
        raise UsageError(f'{spot}: "limit" must be a whole number, 0 to {(1 << 31) - 1}')
    if by is not None and (not isinstance(by, str) or not by.strip()):
        raise UsageError(f'{spot}: "by" is an expression, as "prediction desc"')
    return Rule(entry["action"], entry["when"], limit, by)
