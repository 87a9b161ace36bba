"""Where text holds what looks like a secret, and the text with a mask in its place. Standard library only.

It guards against a glance, not against intent: a secret that nothing names (a word typed at a prompt that does not echo
is in no log; a value alone in its line is only a word) is not found, and whoever may read the table reads the original.
It masks one word of a shell and never a command: nobody can hide what they ran behind a name such as PASSWORD.

Text of a terminal is matched as it was written and as the screen held it at the end, so that colours, cursor movements
and corrections do not split a secret. Time is linear in a line's length: every repetition is possessive or bounded.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from loglake_assets.reviews.terminal_sequences import SEQUENCE, is_hidden

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "private_key": "a private key",
        "token": "a token of a known form",
        "hash": "the hash of a password",
        "url": "a password or signature in a URL",
        "header": "an HTTP header that lets in",
        "option": "a password, key or token on a command line",
        "assignment": "a value whose name says password, secret, token or key",
    }
)
PLACEHOLDER = "[masked: {}]"
"""What stands for a secret, with its kind."""
_LONGEST_LOGICAL_LINE = 20  # lines that a shell's \ at the end joins


@dataclass(frozen=True)
class Secret:
    """A place in text: `line` counts from 1; characters `start` to before `end` of that line, from 0."""

    line: int
    start: int
    end: int
    kind: str


def secrets_in(lines: Sequence[str]) -> list[Secret]:
    """What looks like a secret in lines of text, by place; no two overlap."""
    found: list[Secret] = list(_private_keys(lines))
    for first, count in _logical_lines(lines):
        if count == 1 and lines[first].isascii() and lines[first].isprintable():
            found.extend(Secret(first + 1, start, end, kind) for start, end, kind in _spans(lines[first]))
        elif _is_worth_a_look("".join(lines[first : first + count])):
            for reading in _readings(lines, first, count):
                for start, end, kind in _spans(reading.text):
                    found.extend(reading.places_of(start, end, kind))
    return _merge(found)


def masked_line(line: str, secrets: Sequence[Secret], offset: int = 0) -> str:
    """A line, or the piece of it that begins at `offset`, with a mask for every secret of that line.

    A secret that goes on in the next piece has its mask in the piece where it begins, and leaves nothing in the others.
    """
    parts, position = [], 0
    for secret in secrets:
        start, end = max(secret.start - offset, 0), min(secret.end - offset, len(line))
        if end > start:
            parts += [line[position:start], PLACEHOLDER.format(secret.kind) if secret.start >= offset else ""]
            position = end
    return "".join([*parts, line[position:]])


def masked_text(text: str) -> tuple[str, list[Secret]]:
    """A text with masks, and what they stand for."""
    lines = text.split("\n")
    found = secrets_in(lines)
    by_line: dict[int, list[Secret]] = {}
    for secret in found:
        by_line.setdefault(secret.line, []).append(secret)
    masked = [masked_line(line, by_line.get(number, ())) for number, line in enumerate(lines, 1)]
    return "\n".join(masked) if found else text, found


def _merge(found: Sequence[Secret]) -> list[Secret]:
    """Places that touch become one, of the kind that comes first in KINDS."""
    order, merged = list(KINDS), list[Secret]()
    for secret in sorted(found, key=lambda s: (s.line, s.start, s.end)):
        last = merged[-1] if merged else None
        if last and last.line == secret.line and secret.start < last.end:
            kind = min(last.kind, secret.kind, key=order.index)
            merged[-1] = Secret(last.line, last.start, max(last.end, secret.end), kind)
        else:
            merged.append(secret)
    return merged


# --- what a person reads in a line ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reading:
    """Text as it is read, and the place (line, character) of each of its characters in what was stored."""

    text: str
    places: Sequence[tuple[int, int]]

    def places_of(self, start: int, end: int, kind: str) -> Iterator[Secret]:
        by_line: dict[int, list[int]] = {}
        for line, character in self.places[start:end]:
            by_line.setdefault(line, []).append(character)
        for line, characters in by_line.items():
            yield Secret(line, min(characters), max(characters) + 1, kind)


def _logical_lines(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(first, count) of lines that a shell takes for one: all but the last end with a backslash."""
    first = 0
    while first < len(lines):
        count = 1
        while count < _LONGEST_LOGICAL_LINE and first + count < len(lines) and _goes_on(lines[first + count - 1]):
            count += 1
        yield first, count
        first += count


def _goes_on(line: str) -> bool:
    return "\\" in line[-80:] and SEQUENCE.sub("", line[-80:]).rstrip("\r\n").endswith("\\")


def _is_worth_a_look(text: str) -> bool:
    """Whether the characters of a text must be followed one by one: few lines hold anything that begins a secret."""
    text = SEQUENCE.sub("", text)
    if "\b" in text or "\r" in text.strip("\r"):
        return True
    if not (text.isascii() and text.isprintable()):
        text = "".join(c for c in text if c == "\t" or not is_hidden(c))
    lower = text.lower()
    return any(_has_any(lower, words) for _, words, _, _ in _PATTERNS)


def _readings(lines: Sequence[str], first: int, count: int) -> Iterator[_Reading]:
    """A logical line as it was written and, where something was written over, as the screen held it at the end."""
    written: list[tuple[str, tuple[int, int]]] = []
    for number in range(first, first + count):
        line = lines[number]
        kept = [(c, (number + 1, i)) for i, c in _without_sequences(line)]
        if number < first + count - 1:
            while kept and kept[-1][0] in "\\\r\n":
                kept.pop()
        if number > first and kept and kept[0][0] == ">":  # the prompt of a line that goes on
            kept = kept[1:]
            while kept and kept[0][0] == " ":
                kept = kept[1:]
        written += kept
    yield _read(_unwrap(written))
    if any(c in "\b\r" for c, _ in written[:-1]):
        yield _read(_on_screen(written))


def _without_sequences(line: str) -> Iterator[tuple[int, str]]:
    position = 0
    for sequence in SEQUENCE.finditer(line):
        yield from enumerate(line[position : sequence.start()], position)
        position = sequence.end()
    yield from enumerate(line[position:], position)


_Written = list[tuple[str, tuple[int, int]]]


def _read(written: _Written) -> _Reading:
    if any(ord(c) < 32 or ord(c) > 126 for c, _ in written):
        written = [(c, place) for c, place in written if c in "\t\n" or not is_hidden(c)]
    return _Reading("".join(c for c, _ in written), [place for _, place in written])


def _unwrap(written: _Written) -> _Written:
    """Without the blank and carriage return by which a shell goes to the next row of a narrow terminal."""
    found: _Written = []
    for position, (c, place) in enumerate(written):
        if c == "\r":
            if found and found[-1][0] == " " and 0 < position < len(written) - 1:
                found.pop()
            continue
        found.append((c, place))
    return found


def _on_screen(written: _Written) -> _Written:
    screen: _Written = []
    column = 0
    for c, place in written:
        if c == "\b":
            column = max(0, column - 1)
        elif c == "\r":
            column = 0
        else:
            screen[column : column + 1] = [(c, place)]
            column += 1
    return screen


# --- private keys -----------------------------------------------------------------------------------------------------

_KEY_BEGINS = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS = re.compile(r"-----END (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY")
_KEY_BODY = re.compile(r"(?:>[ \t]{0,4})?(?:[A-Za-z0-9+/=]{1,100}|[A-Z][A-Za-z-]{1,20}: .{0,200})?[ \t\r]*")
_KEY_IN_LINE = re.compile(r"(?:\\+[nr]|[A-Za-z0-9+/= ])*+")


def _private_keys(lines: Sequence[str]) -> Iterator[Secret]:
    """The lines of a key, up to its end or to the first line that can be none of it: that may be a command."""
    inside = False
    for number, line in enumerate(lines, 1):
        if inside:
            visible = SEQUENCE.sub("", line)
            inside = not _KEY_ENDS.search(visible) and _KEY_BODY.fullmatch(visible) is not None
            if inside and visible.strip():
                yield Secret(number, 0, len(line), "private_key")
            if inside:
                continue
        for begin in _KEY_BEGINS.finditer(line):
            body = _KEY_IN_LINE.match(line, begin.end())
            end = body.end() if body else begin.end()
            if end > begin.end():
                yield Secret(number, begin.end(), end, "private_key")
            inside = not line[end:].strip("\r\"' ")


# --- what a secret looks like -----------------------------------------------------------------------------------------

# One word of a shell: bare, quoted, or mixed. A quote that is not closed reaches to the line's end.
_WORD = (
    r"(?:\\.|\"(?:[^\"\\]|\\.){0,4096}+\"|'[^']{0,4096}+'|[^\s\"'\\;|&<>()`]|\"[^\"]{0,4096}+$|'[^']{0,4096}+$)"
    r"{1,4096}+"
)
_NAME = (
    r"pass(?:w(?:or)?d|phrase|wort|code)?|pwd|pw|secret|token|(?:api|access|private|auth|account|encryption|signing|master|"
    r"shared|secret|storage|license)[_-]?key|connection[_-]?string|_auth"
)
_WORDS_OF_NAMES = "pass pwd pw secret token key connection _auth"
_NAMED = re.compile(
    rf"(?P<name>{_NAME})(?P<rest>[\w.-]{{0,40}}+)(?P<close>\\{{0,3}}[\"']|\])?[ \t]{{0,8}}+"
    rf"(?P<is>:=|=>|=(?!=)|:)[ \t]{{0,8}}+",
    re.IGNORECASE,
)
_JSON_VALUE = re.compile(r"(?P<open>\\{0,7}\")(?P<value>(?:[^\"\\]|\\(?!\\{0,6}\")|\\{1,7}\"(?![\s,}\]:])){0,4096}+)")
_WORD_HERE = re.compile(_WORD)
_NO_SECRET_ENDS = re.compile(
    r"(?i)(?:ids?|arns?|names?|files?|paths?|dir|urls?|uris?|types?|polic(?:y|ies)|length|len|ttl|age|expiry|expires?|"
    r"expir(?:es|ation|ed)\w*|counts?|limits?|size|versions?|versionstages?|stages?|status|state|source|helper|stdin|"
    r"prompt|fd|env|refs?|fields?|providers?|manager|algorithms?|used|rotated|date|time|reset|required|enabled|"
    r"authentication|auth|agent|change[sd]?|lifetime|duration|index|format|label|description|metadata|specs?)$"
)
_BEFORE_PASS = ("store", "key", "user", "root", "db", "admin", "my", "sql", "ssh")
_NO_SECRET_BEGINS = re.compile(
    r"(?i)(?:next|client|clientrequest|client[_-]request|request|continuation|idempotency|pagination|page|starting|max|min|"
    r"input|output|total|prompt|completion|read|write|cache|per|public|old)[_-]?$"
)
_NO_SECRET = re.compile(
    r"(?i)(?:[$%<{\[].*|[*x.#_?-]+|true|false|null|none|nil|undefined|yes|no|on|off|empty|unset|default|required|optional|"
    r"hidden_due_to_security_reasons|(?:\W*)?(?:redacted|masked|omitted|hidden)\W*|arn:.*|ssm:.*|vault:.*|env:.*|file:.*|"
    r"fd:.*|stdin|string|text|str|int|bool|function|and|or|is|not|for)",
    re.DOTALL,
)
_MASK = re.compile(r"\[masked: [a-z_]{1,20}\]")
_RUNS_A_COMMAND = re.compile(r"\$\(|`|\$\{")


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, kind) of what looks like a secret in a line as it is read; what is masked already is none."""
    masks = [match.span() for match in _MASK.finditer(text)]
    for start, end, kind in _find(text, text.lower()):
        if not any(start < mask_end and mask_start < end for mask_start, mask_end in masks):
            yield start, end, kind


def _find(text: str, lower: str) -> Iterator[tuple[int, int, str]]:
    if _has_any(lower, _WORDS_OF_NAMES.split()):
        yield from _find_assignments(text)
    for kind, words, pattern, accepts in _PATTERNS:
        for match in pattern.finditer(text) if _has_any(lower, words) else ():
            start, end = _unquote(text, *match.span("value"))
            if end > start and accepts(match) and not _RUNS_A_COMMAND.search(text, start, end):
                yield start, end, kind


def _has_any(text: str, words: Sequence[str]) -> bool:
    return any(word in text for word in words)


def _unquote(text: str, start: int, end: int) -> tuple[int, int]:
    """A place without the quotes around what stands there."""
    while end - start > 1 and text[start] in "\"'" and text[end - 1] == text[start]:
        start, end = start + 1, end - 1
    return (start + 1, end) if end - start > 1 and text[start] in "\"'" else (start, end)


def _find_assignments(text: str) -> Iterator[tuple[int, int, str]]:
    position = 0
    while match := _NAMED.search(text, position):
        position = match.end()
        before = text[max(0, match.start() - 20) : match.start()]
        if before.endswith(":") and match["is"] == ":":
            continue  # a part of an ARN
        if not _names_a_secret(before, match["name"], match["rest"]):
            continue
        json = _JSON_VALUE.match(text, match.end()) if match["close"] else None
        value = json or _WORD_HERE.match(text, match.end())
        if value is None:
            continue
        start, end = value.span("value") if json else _unquote(text, *value.span())
        if end > start and _is_secret_value(text, match, start, end):
            yield start, end, "assignment"
            position = end


def _names_a_secret(before: str, name: str, rest: str) -> bool:
    if rest[:1].islower() and name[-1:].islower() and not rest.startswith(("string", "value", "key", "hash", "s")):
        return False  # the name is only the beginning of another word
    if _NO_SECRET_ENDS.search(rest) or (name.lower() == "token" and _NO_SECRET_BEGINS.search(before)):
        return False
    if name.lower() in {"pass", "pw"} and (rest and rest[:1] not in "_-."):
        return False
    return name.lower() not in {"pass", "pw"} or not before[-1:].islower() or before.endswith(_BEFORE_PASS)


def _is_secret_value(text: str, match: re.Match[str], start: int, end: int) -> bool:
    value, name = text[start:end], match["name"].lower()
    if _NO_SECRET.fullmatch(value) or _RUNS_A_COMMAND.search(value):
        return False
    if name in {"pwd", "_auth"} and value.startswith(("/", "~")):
        return False
    if (name == "token" or match["rest"] == "s") and value.replace(",", "").rstrip(".").isdigit():
        return False  # how many
    is_prose = match["is"] == ":" and not match["close"]
    if is_prose and name in {"pass", "pw"}:
        return False  # the result of a test
    if is_prose and match.end() == match.end("is") and value.startswith("/"):
        return False  # a path in a list of them
    if is_prose and value.isalpha() and name == "token":
        return False
    has_more = bool(text[end : end + 80].strip("\"' \t\r.;,)}]"))
    return not (is_prose and has_more and value.isalpha())


def _always(match: re.Match[str]) -> bool:
    return True


def _is_named(match: re.Match[str]) -> bool:
    """Whether an option's name says that its value is a secret."""
    name, value = match["name"], match["value"].strip("\"'")
    found = list(_NAME_HERE.finditer(name))
    if not found or _NO_SECRET.fullmatch(value):
        return False
    last = found[-1]
    return _names_a_secret(name[: last.start()], last[0], name[last.end() :]) and not (
        last[0].lower() == "token" and value.isdigit()
    )


def _looks_random(match: re.Match[str]) -> bool:
    value = match["value"]
    return bool(re.search(r"\d", value)) or (value.lower() != value and value.upper() != value)


def _is_no_placeholder(match: re.Match[str]) -> bool:
    return not _NO_SECRET.fullmatch(match["value"].strip("\"'"))


_NAME_HERE = re.compile(_NAME, re.IGNORECASE)
_AWS_SECRET = r"(?<![A-Za-z0-9/+=])(?P<value>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
_ORACLE_OPTIONS = r"(?:-\w{1,12}[ \t]+(?:(?:[0-9.]{1,12}|[Oo][Nn]|[Oo][Ff][Ff]|\"[^\"\n]{0,80}\")[ \t]+)?){0,6}"
_ORACLE_LOGIN = r"[\"']?[\w$#.]{1,60}/(?P<value>\"[^\"\n]{1,100}\"|[^@\s/\"';|&<>]{1,100}+)(?=@|[\"'\s;|&<>]|$)"
"""USER/PASSWORD@DATABASE. A path and @SCRIPT are none."""
_Accepts = Callable[[re.Match[str]], bool]


def _option(programs: str, option: str, value: str = rf"(?P<value>(?!-){_WORD})") -> str:
    """The value of a program's own option, within one command."""
    return rf"(?<![\w.-])(?:{programs})(?:\.exe)?[ \t](?:[^;|&\n]{{0,400}}?[ \t])??{option}{value}"


# (kind, words of which one stands in the line in lower case, pattern with the group `value`, what decides on a match).
_RULES: tuple[tuple[str, str, str, _Accepts], ...] = (
    (
        "option",
        "mysql mariadb mycli",
        _option("mysql(?:dump|admin|import|show|sh|pump)?|mariadb(?:-[a-z]{1,20})?|mycli", "-p"),
        _always,
    ),
    (
        "option",
        "sshpass useradd usermod psexec winexe 7z mongo influx cqlsh rdesktop rabbitmqadmin",
        _option(
            "sshpass|useradd|usermod|psexec|winexe|7za?|mongo(?:sh|dump|restore|import|export)?|influx|cqlsh|rdesktop|"
            "rabbitmqadmin",
            "-p[ \t]{0,4}",
        ),
        _always,
    ),
    ("option", "freerdp", _option("[xw]l?freerdp", "/p:"), _always),
    (
        "option",
        "login",
        _option(
            r"(?:docker|podman|buildah|nerdctl|skopeo|helm|oc|az|cf|crane|oras)[ \t](?:[a-z]{1,20}[ \t]){0,2}login",
            "-p[ \t]{0,4}",
        ),
        _always,
    ),
    ("option", "redis-cli keydb-cli valkey-cli", _option("redis-cli|keydb-cli|valkey-cli", "-a[ \t]{1,4}"), _always),
    (
        "option",
        "ldap",
        _option("ldap(?:search|modify|add|delete|passwd|whoami|compare)", "-w[ \t]{0,4}"),
        _always,
    ),
    ("option", "sql bcp zip", _option("sqlcmd|osql|isql|bcp|zip|unzip|tsql", "-P[ \t]{0,4}"), _always),
    (
        "option",
        "isql iusql",
        r"(?<![\w.-])iu?sql[ \t]+(?:-\w{1,20}[ \t]+){0,4}(?!-)[\w.]{1,80}[ \t]+(?![-<>|])[^\s;|&<>]{1,80}[ \t]+"
        rf"(?P<value>(?!-){_WORD})",
        _is_no_placeholder,
    ),
    (
        "option",
        "sqlplus sqlcl sqlldr expdp impdp rman",
        rf"(?<![\w.-])(?:sqlplus|sqlcl|sqlldr|expdp|impdp|rman)(?:\.exe)?[ \t]+{_ORACLE_OPTIONS}"
        rf"(?:(?:target|catalog|auxiliary)[ \t=]+)?{_ORACLE_LOGIN}",
        _is_no_placeholder,
    ),
    ("option", "userid=", rf"(?i)(?<![\w.-])userid={_ORACLE_LOGIN}", _is_no_placeholder),
    ("option", "sql>", rf"(?i)\bsql>[ \t]*conn(?:ect)?[ \t]+{_ORACLE_LOGIN}", _is_no_placeholder),
    (
        "option",
        "securestring",
        r"(?i)\b(?:put-parameter|write-ssmparameter)[ \t](?=[^\n]{0,400}?SecureString\b)(?:[^;|&\n]{0,400}?[ \t])??"
        rf"--?value[ \t=]{{1,8}}(?P<value>{_WORD})",
        _is_no_placeholder,
    ),
    (
        "option",
        "openssl",
        r"(?<![\w.-])openssl(?:\.exe)?[ \t]+(?:enc|aes|aria|bf|camellia|cast|chacha|des|idea|rc[245]|seed|sm4)"
        rf"[\w-]{{0,20}}+[ \t](?:[^;|&\n]{{0,400}}?[ \t])??-[kK][ \t]{{1,4}}(?P<value>(?!-){_WORD})",
        _is_no_placeholder,
    ),
    ("option", "openssl", _option("openssl", "-hmac[ \t]{1,4}"), _is_no_placeholder),
    (
        "option",
        "net",
        r"(?i)(?<![\w.-])net1?(?:\.exe)?[ \t]+user[ \t]+(?!(?:add|delete|info|list|rename)\b)(?![/-])[^\s/;|&<>]{1,80}"
        rf"[ \t]+(?P<value>(?![/-]){_WORD})",
        _is_no_placeholder,
    ),
    (
        "option",
        "net",
        r"(?i)(?<![\w.-])net1?(?:\.exe)?[ \t]+use[ \t]+(?:(?:[a-z]:|\*)[ \t]+)?[\"']?\\\\[^\s;|&<>]{1,200}[ \t]+"
        rf"(?P<value>(?![/-]){_WORD})",
        _is_no_placeholder,
    ),
    (
        "option",
        "rabbitmqctl",
        r"(?<![\w.-])rabbitmqctl(?:\.bat)?[ \t](?:[^;|&\n]{0,200}?[ \t])??"
        r"(?:change_password|add_user|authenticate_user)[ \t]+(?:--[ \t]+)?(?!-)[^\s;|&<>]{1,120}[ \t]+(?:--[ \t]+)?"
        rf"(?P<value>(?!-){_WORD})",
        _is_no_placeholder,
    ),
    (
        "option",
        "nmcli",
        _option(
            "nmcli",
            r"(?<!-[fg] )(?<!--fields )(?<!--get-values )(?:password|wep-key[0-3]?|(?:[\w-]{1,40}\.)"
            r"(?:psk|wep-key[0-3]|leap-password|password|private-key-password|phase2-private-key-password|pin))"
            r"[ \t]{1,8}",
        ),
        _is_no_placeholder,
    ),
    (
        "option",
        "wpa_passphrase",
        rf"(?<![\w.-])wpa_passphrase[ \t]+{_WORD}[ \t]+(?P<value>{_WORD})",
        _is_no_placeholder,
    ),
    ("option", "ssh-keygen", _option("ssh-keygen", "-[NP][ \t]{0,4}"), _always),
    ("option", "lftp", _option("lftp", r"-u[ \t]{0,4}[^,\s]{1,80},"), _always),
    ("option", "snmp", _option("snmp(?:get|walk|set|bulkwalk|table)", "-A[ \t]{1,4}"), _always),
    ("option", "snmp", _option("snmp(?:get|walk|set|bulkwalk|table)", "-X[ \t]{1,4}"), _always),
    (
        "option",
        "smb rpcclient wmic net",
        _option(
            "smbclient|rpcclient|smbmap|net|wmic|smbget",
            r"-U[ \t]{0,4}[\"']?[^%\s]{1,80}%",
            r"(?P<value>[^\s\"']{1,200})",
        ),
        _always,
    ),
    (
        "option",
        "curl http wget xh",
        _option(
            "curl|http|https|wget|xh",
            r"-(?:[A-Za-z#]{0,8}[uUa]|-user|-proxy-user)[ \t=]{0,4}[\"']?[^:\s\"']{0,120}:",
            r"(?P<value>[^\s\"']{1,200})",
        ),
        _is_no_placeholder,
    ),
    (
        "option",
        "htpasswd",
        rf"(?<![\w.-])htpasswd[ \t]+-[a-zA-Z]{{0,8}}b[a-zA-Z]{{0,8}}[ \t](?:{_WORD}[ \t]+){{1,3}}(?P<value>{_WORD})"
        r"[ \t]{0,8}+(?=$|[;|&\r\n])",
        _always,
    ),
    (
        "option",
        "vault",
        rf"(?<![\w.-])vault[ \t]+login[ \t]+(?:-[\w=-]{{1,40}}[ \t]+){{0,4}}(?P<value>(?!-|token=){_WORD})",
        _always,
    ),
    ("option", "pass:", r"(?<![\w-])-?-?pass(?:in|out)?[ \t]+pass:(?P<value>[^\s\"';|&]{1,200})", _always),
    (
        "option",
        "/pass: /rp: /password: /p:",
        r"(?i)(?:cmdkey|net|runas|schtasks)\b[^;|&\n]{0,200}?/(?:pass|rp|password|p):(?P<value>[^\s\"';|&]{1,200})",
        _always,
    ),
    ("option", "--from-literal", rf"--from-literal[= \t][\"']?[\w.-]{{1,80}}=(?P<value>{_WORD})", _always),
    (
        "option",
        "securestring",
        rf"(?i)ConvertTo-SecureString[ \t]+(?:-String[ \t]+)?(?P<value>(?![-$]){_WORD})",
        _always,
    ),
    (
        "option",
        "sudo passwd --password-stdin --passphrase-fd kinit cryptsetup --with-token",
        rf"(?<![\w-])(?:echo|printf)[ \t]+(?:-[neE]{{1,3}}[ \t]+){{0,2}}(?P<value>{_WORD})[ \t]{{0,8}}"
        r"\|[^|;&\n]{0,120}?(?:\bsudo[ \t][^|;&\n]{0,60}?(?:-[a-zA-Z]{0,4}S|--stdin)\b|\b(?:ch|smb)?passwd\b|"
        r"--password-stdin|--passphrase-fd|\bkinit\b|\bcryptsetup\b|--with-token)",
        _is_no_placeholder,
    ),
    (
        "option",
        "<<<",
        r"(?:\bsudo[ \t][^|;&\n]{0,60}?-[a-zA-Z]{0,4}S\b|\b(?:ch)?passwd\b|--password-stdin)[^|;&\n]{0,120}?"
        rf"<<<[ \t]{{0,4}}(?P<value>{_WORD})",
        _is_no_placeholder,
    ),
    (
        "option",
        "identified",
        r"(?i)\bidentified[ \t]+(?:with[ \t]+\S{1,60}[ \t]+)?(?:by|as)[ \t]+(?:password[ \t]+)?"
        r"(?P<value>'[^']{0,400}+(?:'|$)|\"[^\"]{0,400}+(?:\"|$))",
        _always,
    ),
    ("option", "password", r"(?i)\bpassword[ \t]*\(?[ \t]*(?P<value>'[^'\n]{1,200}')", _always),
    (
        "option",
        _WORDS_OF_NAMES,
        rf"(?<![\w-])--?(?P<name>[A-Za-z][\w.-]{{1,60}}+)[ \t]{{1,8}}+(?P<value>(?!-){_WORD})",
        _is_named,
    ),
    (
        "option",
        _WORDS_OF_NAMES,
        rf"\b(?:configure[ \t]+set|config(?:[ \t]+set)?|setx|setenv)[ \t]+(?:--?[\w-]{{1,30}}[ \t]+){{0,4}}"
        rf"(?P<name>[\w./:@-]{{1,120}}+)[ \t]+(?P<value>(?!-){_WORD})",
        _is_named,
    ),
    (
        "option",
        _WORDS_OF_NAMES,
        r"(?i)\b(?:aws_)?(?:secret[_-]access[_-]key|session[_-]token|client[_-]secret|api[_-]?key|auth[_-]?token)"
        r"[ \t]{1,8}(?P<value>[^\s\"';|&<>()$`-][^\s\"';|&<>()$`]{5,400}+)",
        _looks_random,
    ),
    (
        "assignment",
        _WORDS_OF_NAMES,
        r"(?i)(?:secret access key|session token|password|passphrase|api key|token)[ \t]{0,4}\[[^\]\n]{0,60}\]:"
        rf"[ \t]{{0,8}}(?P<value>{_WORD})",
        _is_no_placeholder,
    ),
    (
        "assignment",
        _WORDS_OF_NAMES,
        r"(?i)<(?:[\w.-]{0,40}:)?[\w.-]{0,40}?(?:password|passwd|secret|token|api-?key)>(?P<value>[^<>\s]{1,400})</",
        _is_no_placeholder,
    ),
    (
        "assignment",
        _WORDS_OF_NAMES,
        r"(?i)\b(?:password|passphrase|pass|secret|token)[ \t](?:is|was|set to|=)[ \t]{1,4}[\"']?"
        r"(?P<value>[^\s\"'`;|&<>()]{4,400}+)",
        _looks_random,
    ),
    (
        "header",
        "authorization",
        r"(?i)\bauthorization\\{0,3}[\"']?[ \t]{0,4}[:=][ \t]{0,4}\\{0,3}[\"']?(?!aws4)"
        r"(?:(?:bearer|basic|token|digest|negotiate|ntlm|apikey)[ \t]{1,4})?(?P<value>[^\s\"'\\;|&<>()$`]{4,8192}+)",
        _is_no_placeholder,
    ),
    ("header", "bearer", r"(?i)\bbearer[ \t]{1,4}(?P<value>[A-Za-z0-9._~+/-]{16,8192}+={0,4})", _looks_random),
    ("header", "basic", r"(?i)\bbasic[ \t]{1,4}(?P<value>[A-Za-z0-9+/]{16,8192}+={0,4})", _looks_random),
    (
        "header",
        "cookie",
        r"(?i)\bcookie\\{0,3}[\"']?[ \t]{0,4}:[ \t]{0,4}\\{0,3}[\"']?(?P<value>[\w.-]{1,100}=[^\s\"'\\;|&<>()]{4,4096}+"
        r"(?:;[ \t]?[\w.-]{1,100}=[^\s\"'\\;|&<>()]{1,4096}+){0,40})",
        _always,
    ),
    (
        "header",
        "curl",
        _option("curl", r"(?:-b|--cookie)[ \t=]{0,4}[\"']?[\w.-]{1,80}=", r"(?P<value>[^\s\"']{1,2000})"),
        _always,
    ),
    (
        "url",
        "://",
        r"(?<=://)[^\s/?#@:\"'<>]{0,200}:(?P<value>[^\s\"'<>]{1,200}?)@(?=[\w.\[\]-]{1,255}+(?:[:/?#\"'\\,;)}\]]|\s|$))",
        _is_no_placeholder,
    ),
    ("url", "://", r"(?<=://)(?P<value>[A-Za-z0-9_-]{20,255}+)@", _always),
    (
        "url",
        "signature= sig= auth= access_token= key=",
        r"(?i)[?&](?:x-amz-signature|signature|sig|auth|access_token|key)=(?P<value>[^&\s\"'#\\<>;|]{8,4096}+)",
        _always,
    ),
    ("url", "signature=", r"\bSignature=(?P<value>[0-9a-f]{64})\b", _always),
    (
        "token",
        "eyj",
        r"\b(?P<value>eyJ[\w-]{8,8192}+\.eyJ[\w-]{2,8192}+(?:\.[\w-]{0,8192}+)?)",
        _always,
    ),
    (
        "token",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- glrt- gldt- glptt- glcbt- glsoat- glsa_",
        r"\b(?P<value>gh[pousr]_[A-Za-z0-9]{20,255}+|github_pat_\w{20,255}+|gl(?:pat|rt|dt|ptt|cbt|soat)-[\w.-]{16,255}+|"
        r"glsa_\w{20,255}+)",
        _always,
    ),
    (
        "token",
        "xox xapp- sk- sk_ rk_ whsec_",
        r"\b(?P<value>xox[abeprs]-[\w-]{10,255}+|xapp-[\w-]{10,255}+|sk-(?:ant-|proj-|svcacct-)?[\w-]{20,255}+|"
        r"[rs]k_(?:live|test)_\w{10,255}+|whsec_[A-Za-z0-9+/=]{16,255}+)",
        _looks_random,
    ),
    (
        "token",
        "aiza ya29. npm_ pypi- sg. hvs. hvb. hvr. hf_ dckr_pat_ dop_v1 doo_v1 dor_v1 shpat_ shpca_ shppa_ shpss_ "
        "age-secret",
        r"\b(?P<value>AIza[\w-]{35}|ya29\.[\w.-]{20,2048}+|npm_[A-Za-z0-9]{30,255}+|pypi-[\w-]{40,1024}+|"
        r"SG\.[\w-]{16,64}\.[\w-]{16,64}|hv[sbr]\.[\w-]{20,512}+|hf_[A-Za-z0-9]{20,255}+|dckr_pat_[\w-]{16,255}+|"
        r"do[opr]_v1_[a-f0-9]{40,64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|AGE-SECRET-KEY-1[A-Z0-9]{20,255}+)",
        _always,
    ),
    (
        "token",
        "fwogzxivyxdz iqojb3jpz2lu fqogzxivyxdz aqodyxdz",
        r"(?<![A-Za-z0-9+/])(?P<value>(?:FwoGZXIvYXdz|IQoJb3JpZ2lu|FQoGZXIvYXdz|AQoDYXdz)[A-Za-z0-9+/=]{16,8192}+)",
        _always,
    ),
    ("token", "akia asia", rf"\bA[KS]IA[0-9A-Z]{{16}}\b[^\n]{{0,200}}?{_AWS_SECRET}", _looks_random),
    ("token", "akia asia", rf"{_AWS_SECRET}[^\n]{{0,200}}?\bA[KS]IA[0-9A-Z]{{16}}\b", _looks_random),
    (
        "hash",
        "$",
        r"(?P<value>\$(?:1|2[abxy]?|5|6|7|y|gy|sha1|apr1|argon2(?:id|i|d))\$[./A-Za-z0-9$,=+-]{8,1024}+)",
        _always,
    ),
)
_PATTERNS = tuple((kind, words.split(), re.compile(pattern), accepts) for kind, words, pattern, accepts in _RULES)
