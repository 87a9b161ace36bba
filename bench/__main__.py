"""`python -m bench --size small [--only needle,tiny]`, or `--page` to write the page anew from results.json."""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import machine
from bench.month import costs_page
from bench.named_figures import cost_figures
from bench.page import MEANINGS, TITLES, page
from bench.plots import growth_plot
from bench.rounds import JOB, LOCAL
from bench.sizes import SIZES
from bench.suite import Bench
from infra.aws.bundles import bundle_key, glue_bundle

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".loglake" / "bench"
RESULTS, PAGE = Path("bench/results.json"), Path("docs/performance.md")
COSTS = Path("docs/runbooks/costs.md")
PLOT = "performance-growth.svg"


def main() -> int:
    """Exit code 1 where a part failed or a contender that must be right is wrong."""
    asked = _parse_arguments(sys.argv[1:])
    target = WORK / "trial" if asked.size == "trial" else ROOT
    if asked.page:
        _publish(target, json.loads((target / RESULTS).read_text(encoding="utf-8")))
        return 0
    results = _measure(asked, target)
    print(f"\n{target / PAGE}\n{target / RESULTS}")
    wrong = [
        f"{name}: {TITLES[ours.name]} is {verdict}"
        for name, told in results["comparisons"].items()
        for ours in (JOB, LOCAL)
        if ours.name in told["contenders"] and (verdict := told["contenders"][ours.name]["verdict"]) != "right"
    ]
    for problem in [*wrong, *(f"{name} failed: {why}" for name, why in results["failures"].items())]:
        print(f"NOT AS IT SHOULD BE: {problem}")
    return 1 if wrong or results["failures"] else 0


def _parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument(
        "--only",
        default="",
        help="parts, comma-separated; the others stay as an earlier run in the same conditions left them",
    )
    parser.add_argument("--rounds", type=int, help="of build_all and needle, where not what the size has")
    parser.add_argument("--page", action="store_true", help="write the page from results.json and measure nothing")
    return parser.parse_args(argv)


def _measure(asked: argparse.Namespace, target: Path) -> dict[str, Any]:
    """Every part asked for; after each, what is known so far is written, so that a stopped run leaves what it has."""
    size, started = SIZES[asked.size], time.monotonic()
    if asked.rounds:
        size = replace(size, rounds=asked.rounds, needle_rounds=asked.rounds)
    wanted = set(filter(None, asked.only.split(",")))
    begun = {
        "size": asked.size,
        "java_options": size.java_options,
        "own_java_options": JOB.java,
        "machine": machine(),
        "bundle": bundle_key("glue", glue_bundle()),
        "rounds": asked.rounds,
        "begun": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "meanings": MEANINGS,
    }
    results = merge_earlier_parts(begun, target / RESULTS) if wanted else begun | _nothing()
    bench = Bench(size, WORK, lambda text: print(f"{time.monotonic() - started:6.0f} s  {text}", flush=True))
    parts = bench.parts()
    if unknown := wanted - parts.keys():
        raise SystemExit(f"ONLY={asked.only}: there is no part {sorted(unknown)}; those there are: {', '.join(parts)}.")
    for name, part in parts.items():
        if not wanted or name in wanted:
            _add(results, name, part)
            _publish(target, results)
    if "build_all" in results["comparisons"] and "build_all" not in results["failures"]:
        _add(results, "cost", lambda: cost_figures(results))
    results["seconds"] = round(time.monotonic() - started)
    _publish(target, results)
    return results


def _nothing() -> dict[str, Any]:
    return {"parts": {}, "figures": {}, "comparisons": {}, "failures": {}}


def merge_earlier_parts(begun: dict[str, Any], path: Path) -> dict[str, Any]:
    """This run, with the parts of earlier ones at `path` if those ran in the same conditions; otherwise without."""
    if not path.exists():
        return begun | _nothing()
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if differing := _different_conditions(kept, begun):
        print(f"{path} was measured with other {', '.join(differing)}: its figures are left out.")
        return begun | _nothing()
    return kept | begun


def _different_conditions(kept: Mapping[str, Any], begun: Mapping[str, Any]) -> list[str]:
    """What two runs must have in common for their figures to stand on one page, and these have not."""
    conditions = [{**run, **run["machine"], "load_average_before": None} for run in (kept, begun)]
    names = ("size", "java_options", "own_java_options", "bundle", *begun["machine"])
    return [name for name in names if conditions[0].get(name) != conditions[1].get(name)]


def _add(results: dict[str, Any], name: str, part: Any) -> None:
    results["failures"].pop(name, None)
    try:
        told = part()
    except Exception as error:  # one part must not take the others' figures with it
        traceback.print_exc()
        results["failures"][name] = f"{type(error).__name__}: {error}"[:300]
        return
    for key, value in told.items():
        if key in ("figures", "comparisons"):
            results[key].update(value)
        else:
            results[key] = value
    results["parts"][name] = {key: results[key] for key in ("begun", "rounds")}


def _publish(target: Path, results: dict[str, Any]) -> None:
    """results.json, the page and the plot; for the repository's own results the page of costs too."""
    for path in (RESULTS, PAGE):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
    (target / RESULTS).write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    plot = PLOT if "growth" in results else None
    if plot:
        svg = growth_plot(f"Our job, SIZE={results['size']}", results["growth"])
        (target / PAGE).with_name(PLOT).write_text(svg, encoding="utf-8")
    (target / PAGE).write_text(page(results, plot), encoding="utf-8")
    costs = target / COSTS
    if costs.exists() and {"build_all", "cost"} <= results["parts"].keys():
        costs.write_text(costs_page(costs.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
