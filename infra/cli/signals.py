"""Signals that end a command: each becomes KeyboardInterrupt, so that what was started is stopped again."""

import signal
from types import FrameType


def stop_on_signals() -> None:
    """SIGINT, SIGTERM and SIGHUP end the command as Ctrl-C does, also where a background job inherited SIGINT ignored.

    SIGHUP stays ignored where it is: whoever started the command with nohup wants that.
    """
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class StoppedError(RuntimeError):
    """A command was stopped by a signal, and says itself what stands; the message is for the person."""
