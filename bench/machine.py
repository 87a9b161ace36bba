"""Which machine it was: what a reader needs to judge figures by. No host name."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.counters import TITLES, available
from infra.emulator.glue_child import java_home

PACKAGES = ("pyspark", "pyarrow", "duckdb", "polars", "chdb", "msgspec", "isal", "dagster")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, the versions that matter, what counts CPU here, and the load before the measurement."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "java": _java(),
        "packages": {name: version(name) for name in PACKAGES},
        "cpu_counter": TITLES[available()],
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _java() -> str:
    program = Path(java_home(os.environ)) / "bin" / "java"
    told = subprocess.run([str(program), "-version"], capture_output=True, text=True, check=False).stderr
    return told.splitlines()[0].strip() if told else "unknown"
