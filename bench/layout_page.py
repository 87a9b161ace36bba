"""The layouts' part of docs/performance.md: what each takes and reads, and which columns the bytes are in."""

import statistics
from typing import Any

from bench.cells import mb, number, table
from bench.layouts import PRESENT, names

_SHOWN_COLUMNS = 10
QUESTIONS = ("one_session", "counts_by_event", "join_by_session", "one_event", "one_person")


def layout_table(told: dict[str, Any]) -> str:
    """A row a layout; each question's cell has MB read, CPU ms and wall ms, medians of warm runs in chDB."""
    heads = ("layout", "MB", "over present", "CPU s to write", *(name.replace("_", " ") for name in QUESTIONS))
    present, delivered = told["layouts"][PRESENT.name]["bytes"], mb(told["delivered_bytes"])
    rows = [
        (
            title,
            mb(told["layouts"][name]["bytes"]),
            f"{told['layouts'][name]['bytes'] / present:.3f}",
            number(statistics.median(told["layouts"][name]["cpu_seconds"])),
            *(_read(told["questions"][name][question]) for question in QUESTIONS),
        )
        for name, title in names().items()
        if name in told["layouts"]
    ]
    return f"""## Layouts of ORC

{told["events"]:,} events of one day of CloudTrail, {delivered} MB as delivered, written by the job's own `orc_body`,
one difference at a time. CPU to write has sorting in it. Of each question: MB read / CPU ms / wall ms, warm in chDB.
Answers of all layouts are equal.

{table(heads, rows)}"""


def _read(took: dict[str, float]) -> str:
    return f"{mb(took['bytes_read'])} / {1000 * took['cpu_seconds']:.0f} / {1000 * took['wall_seconds']:.0f}"


def column_table(told: dict[str, Any]) -> str:
    """The ten columns with the most bytes, each as an ORC file of its own."""
    events, columns = told["events"], told["columns"]
    heads = ("column", *(f"{name}, {unit}" for name in columns for unit in ("bytes an event", "share")))
    first = columns[PRESENT.name]
    largest = sorted(first, key=lambda name: -first[name])[:_SHOWN_COLUMNS]
    sizes = {layout: told["layouts"][layout]["bytes"] for layout in columns}
    groups: dict[str, dict[str, int]] = {f"`{name}`": {k: one[name] for k, one in columns.items()} for name in largest}
    groups["the others"] = {k: sum(v for name, v in one.items() if name not in largest) for k, one in columns.items()}
    groups["together"] = sizes
    rows = [
        (name, *(cell for k in columns for cell in (f"{group[k] / events:.2f}", f"{100 * group[k] / sizes[k]:.1f} %")))
        for name, group in groups.items()
    ]
    delivered = told["delivered_bytes"] / events
    return f"""## Which columns the bytes are in

Each column as a file of its own, beside all in one; delivered gzip has {delivered:.1f} bytes an event.

{table(heads, rows)}"""
