"""Tasks spread over processes: what belongs together comes together, and what fails says so."""

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from glue_scripts.fetching import ObjectRef
from glue_scripts.runners import LostProcessError, Slice, local_runner

PARTITIONS = 3


def refs(count: int) -> list[ObjectRef]:
    return [ObjectRef(n, "raw", f"key-{n}", 20261101) for n in range(count)]


def hands(count: int) -> list[Slice]:
    return [(n, refs(12)[n::count]) for n in range(count)]


def deal(number: int, objects: Sequence[ObjectRef]) -> Iterator[tuple[int, bytes]]:
    """Each key to the partition of its number, with the process that dealt it."""
    for ref in objects:
        yield ref.number % PARTITIONS, f"{ref.key} {os.getpid()}".encode()


def collect(partition: int, payloads: Iterable[bytes]) -> Iterator[tuple[int, list[str], set[str]]]:
    found = [payload.decode().split(" ") for payload in payloads]
    yield partition, sorted(key for key, _ in found), {process for _, process in found}


def fail(number: int, objects: Sequence[ObjectRef]) -> Iterator[tuple[int, bytes]]:
    raise ValueError(f"slice {number} cannot be read")
    yield 0, b""


def die(number: int, objects: Sequence[ObjectRef]) -> Iterator[tuple[int, bytes]]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield 0, b""


@pytest.mark.parametrize("count", [1, 4])
def test_bytes_of_one_partition_come_together_wherever_they_were_made(count: int) -> None:
    with local_runner(lambda text, numbers: None, processes=2) as runner:
        found = runner.read(deal, hands(count), PARTITIONS).run(collect, range(PARTITIONS + 1), "partitions")
    assert sorted(partition for partition, _, _ in found) == [0, 1, 2], "of an empty partition nothing is asked"
    for partition, keys, _ in found:
        assert keys == sorted(f"key-{n}" for n in range(12) if n % PARTITIONS == partition)
    is_alone = {process for _, _, processes in found for process in processes} == {str(os.getpid())}
    assert is_alone == (count == 1), "one slice starts no process"


def test_partitions_may_be_asked_more_than_once() -> None:
    with local_runner(lambda text, numbers: None, processes=2) as runner:
        partitions = runner.read(deal, hands(1), PARTITIONS)
        assert partitions.run(collect, [1], "first") == partitions.run(collect, [1], "second")


def test_a_task_that_fails_ends_the_run_with_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with (
        pytest.raises(ValueError, match="cannot be read"),
        local_runner(lambda text, numbers: None, processes=2) as runner,
    ):
        runner.read(fail, hands(4), PARTITIONS)
    assert list(tmp_path.iterdir()) == [], "what was spilled is gone"


@pytest.mark.fault(101, "kill -9 of a process that reads a slice", "the run fails and says what to do")
def test_a_process_that_is_killed_fails_the_run_and_says_what_to_do() -> None:
    with (
        pytest.raises(LostProcessError, match=r"Nothing of the window was committed\. Build it again"),
        local_runner(lambda text, numbers: None, processes=2) as runner,
    ):
        runner.read(die, hands(4), PARTITIONS)
