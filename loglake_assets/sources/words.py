"""Words that people read: counts beside their noun, and sentences of clauses. Standard library only."""

import re
from decimal import ROUND_DOWN, Decimal

_PCT_DIGITS = Decimal("0.0001")


def tally(count: int, noun: str, plural: str = "") -> str:
    """1 object, 2 objects; a plural of its own form is given."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


_PLAIN_ARGUMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/=+@-]{0,199}")


def plain_argument(text: str, placeholder: str) -> str:
    """Text of a log as an argument of a command to paste; the placeholder where a shell may do more with it."""
    return text if _PLAIN_ARGUMENT.fullmatch(text) else placeholder


def floor_pct(part: int, whole: int) -> float | None:
    """How many percent a part is of the whole, to four decimals, rounded down: only all of it is 100. None of none."""
    return 1_000_000 * part // whole / 10_000 if whole else None


def round_down(pct: float) -> float:
    """A percentage to four decimals, none of which becomes more; one that has no more of them stays as it is."""
    return float(Decimal(str(pct)).quantize(_PCT_DIGITS, ROUND_DOWN))  # as a float, 0.0003 times 10,000 is less than 3


def inflect(count: int, singular: str, plural: str) -> str:
    """The form of a verb that agrees with a count: 1 is, 2 are."""
    return singular if count == 1 else plural


def join_clauses(clauses: list[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join(filter(None, [", ".join(clauses[:-1]), *clauses[-1:]]))


def sentence(*clauses: str) -> str:
    """One sentence: clauses apart by semicolons, a capital at the beginning, a full stop at the end."""
    said = "; ".join(clause.strip().removesuffix(".") for clause in clauses if clause.strip())
    return f"{said[:1].upper()}{said[1:]}." if said else ""
