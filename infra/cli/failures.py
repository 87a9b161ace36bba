"""What stopped a command, as a sentence for the person at the terminal: what, where, whether a retry helps, what to do.

Errors of this project are sentences already. What comes from the machine beneath, such as a full disk or a locked
database, is known here by its type and wrapped in however many others.
"""

import errno
from collections.abc import Iterator
from pathlib import Path

from resources.settings import is_local, loglake

_OURS = ("infra.", "loglake_assets.", "resources.", "lambdas.", "__main__")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_OF_THE_NETWORK = {"ConnectTimeoutError", "ReadTimeoutError", "EndpointConnectionError", "ConnectionClosedError"}
_FREE = "Free some, then give the command again; what was written before stands."


def sentence(error: BaseException, home: Path) -> str:
    """The sentence for an error that ended a command on the lake that keeps its files in `home`."""
    is_ours = type(error).__module__.startswith(_OURS)
    for cause in _chain(error):
        if said := _of_the_machine(cause, home, is_ours):
            return said
    if is_ours:
        return str(error)
    return f"{type(error).__name__}: {error} (LOGLAKE_TRACEBACK=1 shows where)"


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _of_the_machine(error: BaseException, home: Path, is_said: bool) -> str | None:
    """The sentence for an error of the machine or the network. `is_said` where ours says already what was asked."""
    if type(error).__module__.startswith(_OURS):
        return None
    if isinstance(error, OSError) and error.errno is not None:
        return _of_the_disk(error, home)
    text, kind = str(error), type(error).__name__
    if kind == "OperationalError":
        return _of_the_database(text, home)
    if kind == "ClientError" and "InsufficientStorage" in text:
        return text.partition("operation: ")[2] or text
    if kind in _OF_THE_NETWORK and not is_local():
        hint = "See whether the network and the lake's Region are right, then give the command again."
        return None if is_said else f"AWS did not answer ({kind}). {hint}"
    if kind in {"ConnectTimeoutError", "ReadTimeoutError"}:
        return (
            f"The stack of {home} did not answer in time ({kind}). Trying again can help; its log is "
            f"{home / 'stack.log'}."
        )
    if kind in _OF_THE_NETWORK:
        return (
            f"The stack of {home} does not answer any more ({kind}): it was stopped or killed, as `{loglake('down')}` "
            f"does. Give the command again, which starts it; its log is {home / 'stack.log'}."
        )
    return None


def _of_the_disk(error: OSError, home: Path) -> str | None:
    where = error.filename or home
    if error.errno in _FULL:
        return f"The disk of {where} is full ({error.strerror}). {_FREE}"
    if error.errno in _FORBIDDEN:
        return (
            f"{where} cannot be written or read ({error.strerror}). Trying again does not help: make it accessible "
            "for you, or name another place."
        )
    return None


def _of_the_database(text: str, home: Path) -> str:
    """SQLite's OperationalError, by way of SQLAlchemy or not, without the statement that it was about."""
    where = home / "dagster"
    if "locked" in text:
        return (
            f"Dagster's database under {where} is locked: another process has held it for longer than a command waits. "
            "Trying again helps once that has ended: a lake that is up, a backup or a SQLite shell may hold it."
        )
    if "disk is full" in text or "disk I/O error" in text:
        return f"Dagster's database under {where} cannot be written: the disk is full or failing. {_FREE}"
    if "readonly" in text or "unable to open" in text:
        return (
            f"Dagster's database under {where} cannot be written or opened. Trying again does not help: make it "
            "writable for you, or put the lake elsewhere with LOGLAKE_HOME."
        )
    return f"Dagster's database under {where} failed ({text.splitlines()[0]}). Trying again can help."
