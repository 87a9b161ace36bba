"""What acts on a terminal, and what cannot be seen, in text that anybody may have chosen. Standard library only."""

import re
import unicodedata

# One order to a terminal: CSI, the string orders (OSC, DCS, SOS, PM, APC), then everything else that ESC begins.
SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]*+(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*+[0-~]"
)
HIDDEN_LETTERS = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\U000e0100-\U000e01ef]")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_VARIATION = re.compile(r"[\ufe00-\ufe0f]")  # after an emoji or a Han character: ordinary, yet invisible


def is_hidden(character: str) -> bool:
    """Whether a character acts on a terminal or page, or leaves no mark, so that it must be written out to be seen."""
    return (
        unicodedata.category(character) in _HIDDEN_CATEGORIES
        or HIDDEN_LETTERS.match(character) is not None
        or _VARIATION.match(character) is not None
    )
