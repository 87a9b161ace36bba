"""Tasks spread over processes: what belongs together comes together, and what fails says so."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from botocore.exceptions import ClientError

from glue_scripts.runners import LostProcessError, Slice, local_runner, process_count
from glue_scripts.whole_objects import IN_FLIGHT, ObjectRef, fetch, fetch_all, s3_client

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


@pytest.mark.parametrize(("cores", "gigabytes", "wanted"), [(4, 16, 4), (8, 2, 2), (2, 0.1, 1)])
def test_no_more_processes_are_started_than_there_are_cores_and_memory_for(
    cores: int, gigabytes: float, wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kilobytes, group = int(gigabytes * (1 << 20)), tmp_path / "group"
    group.mkdir()
    memory = tmp_path / "meminfo"
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": 64 << 20, "SC_PAGE_SIZE": 4_096}.__getitem__)
    monkeypatch.setattr("glue_scripts.runners._MEMORY", memory)
    monkeypatch.setattr("glue_scripts.runners._CONTROL_GROUP", group)
    assert process_count() == cores, "256 GB, and no word of what is free"
    memory.write_text(f"MemTotal:       99999999 kB\nMemAvailable:   {kilobytes} kB\n")
    assert process_count() == wanted
    memory.write_text("MemAvailable:   99999999 kB\n")
    (group / "memory.current").write_text("1000\n")
    (group / "memory.max").write_text("max\n")
    assert process_count() == cores, "a container without a limit"
    (group / "memory.max").write_text(f"{(kilobytes << 10) + 1000}\n")
    assert process_count() == wanted


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


def environment(number: int, objects: Sequence[ObjectRef]) -> Iterator[tuple[int, bytes]]:
    yield 0, os.environ.get("LOGLAKE_OF_A_TEST", "none").encode()


def texts(partition: int, payloads: Iterable[bytes]) -> Iterator[str]:
    yield from (payload.decode() for payload in payloads)


def test_processes_have_the_environment_of_the_build_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("first", "second"):
        monkeypatch.setenv("LOGLAKE_OF_A_TEST", value)
        with local_runner(lambda text, numbers: None, processes=2) as runner:
            found = runner.read(environment, hands(4), PARTITIONS).run(texts, [0], "partitions")
        assert set(found) == {value}


def wait_long(number: int, objects: Sequence[ObjectRef]) -> Iterator[tuple[int, bytes]]:
    print(os.getpid(), flush=True)
    time.sleep(600)
    yield 0, b""


def build_that_waits() -> None:
    with local_runner(lambda text, numbers: None, processes=2) as runner:
        runner.read(wait_long, hands(4), PARTITIONS)


@pytest.mark.long
@pytest.mark.fault(102, "kill -9 of a build while its processes read", "its processes end with it")
def test_a_build_that_is_killed_leaves_no_process() -> None:
    command = [sys.executable, "-c", "from tests.test_runners import build_that_waits; build_that_waits()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as build:
        assert build.stdout is not None
        readers = [int(build.stdout.readline()) for _ in range(2)]
        assert all(psutil.pid_exists(pid) for pid in readers)
        build.kill()
    _, left = psutil.wait_procs([psutil.Process(pid) for pid in readers if psutil.pid_exists(pid)], timeout=20)
    assert left == []


@pytest.mark.fault(101, "kill -9 of a process that reads a slice", "the run fails and says what to do")
def test_a_process_that_is_killed_fails_the_run_and_says_what_to_do() -> None:
    with (
        pytest.raises(LostProcessError, match=r"Nothing of the window was committed\. Build it again"),
        local_runner(lambda text, numbers: None, processes=2) as runner,
    ):
        runner.read(die, hands(4), PARTITIONS)


class KeyKeptByItsWriter:
    """S3, of an object encrypted with a key that its writer kept (SSE-C), as far as a build asks it."""

    def __init__(self, *listed: str) -> None:
        self.listed = listed

    def get_object(self, **request: str) -> None:
        raise ClientError({"Error": {"Code": "InvalidRequest", "Message": ""}}, "GetObject")

    def head_object(self, **request: str) -> None:
        raise ClientError({"Error": {"Code": "400", "Message": "Bad Request"}}, "HeadObject")

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        found = [{"Key": key, "ETag": '"e1"', "LastModified": datetime(2026, 11, 1, tzinfo=UTC)} for key in self.listed]
        return {"Contents": found} if found else {}


def test_an_object_whose_key_its_writer_kept_is_withheld_and_ends_no_build() -> None:
    ref = ObjectRef(0, "b", "k", 20261101)
    found = fetch(cast(Any, KeyKeptByItsWriter("k")), ref)
    assert (found.body, found.reason, found.etag) == (None, "key_unavailable", "e1")
    for listed in ((), ("k2",)):
        assert fetch(cast(Any, KeyKeptByItsWriter(*listed)), ref).reason == "gone_while_reading"


class SlowStore:
    """S3 that answers once it has been asked for `most` objects at once, or after a while, and knows what it held."""

    def __init__(self, sizes: Mapping[str, int], most: int) -> None:
        self._sizes, self._most, self._is_met = sizes, most, threading.Condition()
        self._held: list[int] = []
        self.requests = self.bytes = 0
        """The most that were with it at once."""

    def get_object(self, Key: str, **request: str) -> dict[str, Any]:  # boto3's names
        size = self._sizes[Key]
        with self._is_met:
            self._held.append(size)
            self.requests, self.bytes = max(self.requests, len(self._held)), max(self.bytes, sum(self._held))
            self._is_met.notify_all()
            self._is_met.wait_for(lambda: self.requests >= self._most, timeout=20)
        time.sleep(0.01)  # in which more would be asked for
        with self._is_met:
            self._held.remove(size)
        return {
            "Body": io.BytesIO(bytes(size)),
            "ContentLength": size,
            "ETag": '"e"',
            "LastModified": datetime(2026, 11, 1, tzinfo=UTC),
        }


@pytest.mark.parametrize(
    ("sizes", "most"),
    [([10] * 60, IN_FLIGHT), ([6 << 20] * 8, 2), ([40 << 20, 10, 10], 2), ([10] * 20 + [40 << 20], 16)],
)
def test_many_small_objects_are_read_ahead_and_few_large_ones(sizes: list[int], most: int) -> None:
    refs = [ObjectRef(n, "b", f"k{n}", 20261101, size) for n, size in enumerate(sizes)]
    store = SlowStore({ref.key: ref.size for ref in refs}, most)
    found = [len(one.body or b"") for one in fetch_all(cast(Any, store), refs)]
    assert found == sizes
    assert store.requests == most
    assert store.bytes <= max(16 << 20, max(sizes))


def test_of_objects_whose_size_is_not_known_few_are_in_flight() -> None:
    refs = [ObjectRef(n, "b", f"k{n}", 20261101) for n in range(20)]
    store = SlowStore({ref.key: 10 for ref in refs}, 4)
    assert len(list(fetch_all(cast(Any, store), refs))) == len(refs)
    assert store.requests == 4


def test_each_request_in_flight_has_a_connection_of_its_own() -> None:
    assert s3_client("us-east-1").meta.config.max_pool_connections == IN_FLIGHT
