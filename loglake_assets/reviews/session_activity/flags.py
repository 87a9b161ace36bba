"""Which lines of a terminal transcript a reviewer should look at first, and why: hints, not findings.

A transcript does not say which characters were typed and which were printed, so a flag fires on a command that is only
shown (`cat install.sh`) as on one that ran, and whoever wants to avoid these words can. Nothing here judges a person.

Time is linear in a line's length: a line can be 33,000 characters of the reviewed person's choice. No repetition that
can overlap itself is unbounded, and each rule searches a command once, from its first word on.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from loglake_assets.reviews.secret_masks import secrets_in
from loglake_assets.reviews.terminal_sequences import HIDDEN_LETTERS, SEQUENCE, is_hidden

FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "sudo": "The rights of another user or role were asked for (sudo, su, doas, pkexec, assume-role).",
        "history": "The shell's own command history was switched off, changed or erased.",
        "logging": "Logs, or a program that writes or sends them, were stopped, changed or erased.",
        "hidden_input": "Typing was made invisible, so what was typed next is not in this recording.",
        "secret": "The line holds what looks like a password, key or token.",
        "download": "Something was downloaded and run by a shell at once, so what ran is not in this recording.",
        "bidi": "Characters that change the writing direction stand in the line; they make text look like other text.",
        "invisible": "Characters that nobody can see stand in the line; they can hide text or split a word.",
        "carriage_return": "The start of the line was written over; the screen showed only what came last.",
        "backspace": "Characters were taken back or written over after they stood on the screen.",
        "control_sequence": "The terminal was sent orders (colour, cursor, erasing), so the screen may have looked "
        "different from this line.",
        "replaced_characters": "Bytes that are no text were replaced (U+FFFD) before the line was stored.",
    }
)

_PASTE_MODE = re.compile(r"^\x1b\[\?2004l\r|\x1b\[\?2004[hl]")  # bash says so before and after every command
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def line_flags(text: str, has_secret: bool | None = None) -> tuple[str, ...]:
    """The names of the flags that one transcript line raises, in the order of `FLAGS`.

    `has_secret` is given where the lines around it were looked at too, and a secret may go on from one to the next.
    """
    found = {"secret"} if (bool(secrets_in([text])) if has_secret is None else has_secret) else set[str]()
    found |= {*_character_flags(_PASTE_MODE.sub("", text))}
    for reading in _readings(text):
        found.update(_line_flags(reading))
        for command in _SEPARATOR.split(reading):
            found.update(_command_flags(command))
    return tuple(flag for flag in FLAGS if flag in found)


def _character_flags(text: str) -> Iterator[str]:
    if "\r" in text.rstrip("\r\n"):
        yield "carriage_return"
    for character in set(text) - set("\t\r\n"):
        if character == "\b":
            yield "backspace"
        elif character in _BIDI:
            yield "bidi"
        elif character == "\ufffd":
            yield "replaced_characters"
        elif unicodedata.category(character) == "Cc":
            yield "control_sequence"
        elif unicodedata.category(character) in {"Cf", "Zl", "Zp"} or HIDDEN_LETTERS.match(character):
            yield "invisible"


def _readings(text: str) -> Iterator[str]:
    """The line in the order it was written and, where something was written over, as the screen held it at the end.

    Cursor movements other than backspace and carriage return are dropped, not followed.
    """
    without = SEQUENCE.sub("", text)
    yield _visible(without.replace("\r", "\n"))
    if "\b" in without or "\r" in without.strip("\r\n"):
        yield _visible("\n".join(map(_overwrite, without.split("\n"))))


def _visible(text: str) -> str:
    hidden = {ord(character): None for character in set(text) - set("\t\n") if is_hidden(character)}
    return text.translate(hidden) if hidden else text


def _overwrite(text: str) -> str:
    screen: list[str] = []
    column = 0
    for character in text:
        if character == "\b":
            column = max(0, column - 1)
        elif character == "\r":
            column = 0
        else:
            screen[column : column + 1] = [character]
            column += 1
    return "".join(screen)


_SEPARATOR = re.compile(r"[;|&\n]+")
_WORD = re.compile(r"[\w.+-]+")
_AGENT = (
    r"\b(?:amazon-(?:ssm|cloudwatch)-agent|AmazonSSMAgent|auditd|rsyslogd?|syslog-ng|(?:systemd-)?journald|awslogsd?)\b"
)
_LOG = r"/var/log(?![\w.-])"
_LOG_SETTINGS = r"/etc/(?:audit|amazon/(?:ssm|amazon-cloudwatch-agent)|r?syslog|systemd/journald)"
_OPTION = r"(?<=[ \t])-"

# (flag, any of these words, then these in this order), all within one simple command.
_COMMANDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("sudo", "aws", (r"\bsts[ \t]+assume-role",)),
    ("history", "HISTFILE HISTCONTROL HISTIGNORE", ()),
    ("history", "HISTSIZE HISTFILESIZE", (r"(?<=SIZE)=[\"']?0(?!\d)",)),
    ("history", "history", (r"(?<=history)[ \t]{1,8}-[anprs]{0,4}[cdw]",)),
    ("history", "set", (r"\+o[ \t]{1,8}history\b",)),
    ("history", "rm truncate shred unlink ln", (r"_history\b",)),
    ("history", "Clear-History", ()),
    ("logging", "systemctl initctl snap", (r"\b(?:stop|disable|mask|kill|restart|edit|remove)\b", _AGENT)),
    ("logging", "service rc-service", (_AGENT, r"\b(?:stop|restart)\b")),
    ("logging", "kill pkill killall Stop-Service", (_AGENT,)),
    ("logging", "apt apt-get yum dnf zypper rpm dpkg", (r"\b(?:remove|purge|erase|autoremove)\b| -[er]\b", _AGENT)),
    ("logging", "rm truncate shred unlink mv", (f"{_LOG}|{_LOG_SETTINGS}",)),
    ("logging", "vi vim nano emacs tee", (_LOG_SETTINGS,)),
    ("logging", "sed", (rf"{_OPTION}(?:i|-in-place)", f"{_LOG}|{_LOG_SETTINGS}")),
    ("logging", "cp", ("/dev/null", _LOG)),
    ("logging", "journalctl", (r"--(?:vacuum|rotate)",)),
    ("logging", "auditctl", (rf"{_OPTION}(?:e[ \t]*0|D)\b",)),
    ("logging", "aws", (r"\bcloudtrail\b", r"\b(?:stop-logging|(?:delete|update)-trail|put-event-selectors)\b")),
    ("logging", "aws", (r"\blogs\b", r"\b(?:delete-[a-z]|put-retention-policy\b)")),
    ("logging", "aws", (r"\bssm\b", r"\b(?:delete|update)-document\b", r"SSM-SessionManagerRunShell")),
    ("logging", "wevtutil wevtutil.exe", (r"\b(?:cl|clear-log)\b",)),
    ("logging", "Clear-EventLog", ()),
    ("hidden_input", "stty", (rf"{_OPTION}echo(?![\w-])",)),
    ("hidden_input", "Read-Host", ("-AsSecureString",)),
)
_STEPS: Mapping[str, list[tuple[str, tuple[re.Pattern[str], ...]]]] = {
    word: [(flag, tuple(map(re.compile, then))) for flag, words, then in _COMMANDS if word in words.split()]
    for word in {word for _, words, _ in _COMMANDS for word in words.split()}
}

# Where a shell expects a command: the line's start, after a prompt or a separator, after words that run another one.
_START = (
    r"(?:^|[;|&({`!]|[$#%>][ \t]|\b(?:then|do|else|if|while|exec|xargs|nohup|time|env|command|sudo|doas)[ \t])"
    r"[ \t]{0,8}+(?:\w{1,40}+=[^\s;|&]{0,80}+[ \t]{1,8}+){0,4}+\\?(?:[\w.~-]{0,30}+/){0,8}+"
)
_SHELL = r"(?:[\w.~-]{0,30}+/){0,8}+(?:ba|da|z|k|a)?sh(?![\w.-])"
_FETCHED = r"\b(?:curl|wget)\b"

# (flag, these in this order) within the whole line: pipes, redirections, and what needs to know what stands before.
_LINES: tuple[tuple[str, tuple[re.Pattern[str], ...]], ...] = tuple(
    (flag, tuple(re.compile(pattern, re.MULTILINE) for pattern in steps))
    for flag, *steps in (
        ("sudo", _START + r"(?:sudo|sudoedit|su|doas|pkexec|runuser|runas)(?=[ \t;|&)]|$)"),
        ("hidden_input", _START + r"read(?=[ \t])", r"(?<=[ \t])-[erspn]{0,4}s[erspn]{0,4}(?![\w-])"),
        ("history", r">\|?[ \t]{0,8}+[^\s;|&<>]{0,200}_history\b"),
        ("logging", rf"(?<!>)>\|?[ \t]{{0,8}}+[\"']?(?:{_LOG}|{_LOG_SETTINGS})"),
        (
            "download",
            _FETCHED,
            rf"\|&?[ \t]{{0,8}}+(?:sudo[ \t]{{1,8}}+(?:-\S{{1,30}}+[ \t]{{1,8}}+){{0,4}}+)?{_SHELL}",
        ),
        ("download", r"(?<![\w.-])(?:(?:ba|da|z|k|a)?sh|source|eval|\.)[ \t]", rf"(?:[<$]\(|`)[ \t]{{0,8}}+{_FETCHED}"),
        (
            "download",
            r"(?i)\b(?:iex|invoke-expression)\b",
            r"(?i)\b(?:iwr|irm|invoke-(?:web|rest)\w+|downloadstring)\b",
        ),
        ("download", r"(?i)\b(?:iwr|irm|invoke-(?:web|rest)\w+|downloadstring)\b", r"(?i)\|[ \t]*iex\b"),
    )
)


def _line_flags(line: str) -> Iterator[str]:
    return (flag for flag, steps in _LINES if _in_order(line, 0, steps))


def _command_flags(command: str) -> Iterator[str]:
    ends: dict[str, int] = {}
    for word in _WORD.finditer(command):
        if word[0] in _STEPS:
            ends.setdefault(word[0], word.end())
    return (flag for word, end in ends.items() for flag, steps in _STEPS[word] if _in_order(command, end, steps))


def _in_order(text: str, position: int, steps: tuple[re.Pattern[str], ...]) -> bool:
    """Whether the steps are found one after another; each takes its first place, which leaves the others the most."""
    for step in steps:
        found = step.search(text, position)
        if found is None:
            return False
        position = found.end()
    return True
