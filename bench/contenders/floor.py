"""The native floor as a contender. BENCH_FLOOR names the program, BENCH_STAGE how far it goes: gunzip, parse or orc."""

import os
import sys

from bench.contenders.columns import Task, task
from bench.volumes import NEEDLE_NAMES


def main(asked: Task) -> None:
    asked.rows.mkdir()
    paths = asked.rows.parent / "paths.txt"
    paths.write_text("\n".join(asked.volume.paths()) + "\n", encoding="utf-8")
    kept = (",".join(NEEDLE_NAMES), ",".join(asked.accounts)) if asked.needle else ("-", "-")
    program, stage = os.environ["BENCH_FLOOR"], os.environ.get("BENCH_STAGE", "orc")
    os.execv(program, [program, stage, str(paths), str(asked.rows / "rows.orc"), *kept])


if __name__ == "__main__":
    main(task(sys.argv[1:]))
