"""The benchmark's own arithmetic, and a small real comparison: what it says of a contender is true. Not speed."""

import gzip
import importlib.util
import json
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import cost, counters
from bench.__main__ import merge_earlier_parts
from bench.addapart import CountingQueue, notification, rates
from bench.answer_check import RowCheck, check_answer, delivered_parameters
from bench.contenders.columns import NAMES, Task
from bench.contenders.job import RULES, Window, build_rows, bundle, keep_only_needles
from bench.figures import figure, growth_exponent, per_million, ratio, slope
from bench.layout_page import QUESTIONS, column_table, layout_table
from bench.layouts import LAYOUTS, PRESENT, names, program
from bench.named_figures import cost_figures, growth_figures, layout_figures, steady_ratio
from bench.orchestration import silence
from bench.page import page
from bench.plots import growth_plot
from bench.process_tree import ContenderFailedError, measure
from bench.rounds import JOB, LOCAL, OTHERS, Contender, Runs, compare
from bench.suite import comparison
from bench.targets import TARGETS, targets_table
from bench.volumes import NEEDLE_NAMES, SOURCE, Volume, VolumePlan, volume
from infra.aws.bundles import glue_bundle
from infra.emulator.glue_child import DEFAULT_JAVA_OPTIONS
from lambdas.addapart.producer import produce
from loglake_assets.lake.addapart.addapart_settings import AddAPartSettings
from loglake_assets.sources import load_source
from loglake_assets.sources.rules import load_rules

pytestmark = pytest.mark.stack

EVENTS = 2_000
SERIAL = f"{DEFAULT_JAVA_OPTIONS} -XX:+UseSerialGC"


@pytest.fixture(scope="module")
def small_volume(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    return volume(tmp_path_factory.mktemp("volumes"), VolumePlan(EVENTS, events_per_object=50))


def test_a_figure_is_a_median_with_its_spread() -> None:
    told = figure([3.0, 1.0, 2.0], "s").document()
    assert told == {"median": 2.0, "lowest": 1.0, "highest": 3.0, "count": 3, "unit": "s"}
    with pytest.raises(ValueError, match="nothing was measured"):
        figure([], "s")


def test_ratios_pair_what_ran_in_the_same_round() -> None:
    slow_second_round = ratio([10.0, 40.0], [5.0, 20.0])
    assert (slow_second_round.lowest, slow_second_round.highest) == (2.0, 2.0)
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0])


def test_a_slope_leaves_out_what_every_run_costs() -> None:
    fixed, a_million = 20.0, 60.0
    small, large = ([fixed + a_million * n / 1e6] for n in (10_000, 50_000))
    assert slope(small, large, 10_000, 50_000, "CPU s").median == pytest.approx(a_million)
    assert per_million(small, 10_000, "CPU s").median == pytest.approx(2_060.0)


def test_growth_is_1_where_it_is_linear_and_0_where_it_is_flat() -> None:
    assert growth_exponent([(1, 2.0), (3, 6.0), (10, 20.0)]) == pytest.approx(1)
    assert growth_exponent([(1, 2.0), (10, 2.0)]) == pytest.approx(0)
    with pytest.raises(ValueError, match="two different sizes"):
        growth_exponent([(1, 2.0)])


def test_memory_is_told_by_core_and_by_how_it_grows() -> None:
    points = [{"x": x, "cpu_seconds": x, "peak_bytes": peak} for x, peak in ((1.0, 1.0e9), (10.0, 1.2e9))]
    found = growth_figures({"events": points})
    assert found["growth.events.peak_ratio"].median == pytest.approx(1.2)
    assert found["growth.peak_mb_a_core"].median == pytest.approx(600), "of the two cores that a contender has"


def test_the_cost_model_charges_what_its_assumptions_say() -> None:
    assumed = cost.Assumptions(cores_a_dpu=4, busy_pct=50, fixed_cpu_seconds=100)
    work = cost.Workload("one", 10e9, 1e6, 1_000, 10)
    found = cost.cost_of(work, 300.0, assumed)
    assert found.dpu_seconds == pytest.approx((100 + 300) / 4 / 0.5)
    assert found.glue_usd == pytest.approx(200 / 3600 * 0.44)
    assert found.gb_a_dpu_hour == pytest.approx(10 / (200 / 3600))
    assert found.s3_usd == pytest.approx(1_000 * 0.0004 / 1_000 + 11 * 0.005 / 1_000)
    assert found.usd == pytest.approx(found.glue_usd + found.s3_usd + found.sqs_usd + found.lambda_usd)
    assert cost.cost_of(work, 300.0, replace(assumed, core_speed=2.0)).dpu_seconds == pytest.approx(100)


def test_a_million_arrivals_cost_a_message_each_at_most() -> None:
    dearest = cost.addapart_usd(1e6, 1e6)
    assert dearest["sqs_usd"] == pytest.approx(1.2 * 0.50)
    shared = cost.addapart_usd(1e6, 1_000, cost.Assumptions(notifications_a_message=100))
    assert shared["sqs_usd"] == pytest.approx(dearest["sqs_usd"] / 100)


def test_a_volume_holds_what_its_truth_says(small_volume: Volume) -> None:
    documents = [json.loads(text) for text in map(_content, small_volume.paths())]
    records = [record for document in documents for record in document["Records"]]
    assert len({record["eventID"] for record in records}) == len(records) == small_volume.event_count == EVENTS
    assert small_volume.object_count == len(documents)
    wanted = [r for r in records if r["eventName"] in NEEDLE_NAMES]
    assert sum(r["recipientAccountId"] in small_volume.needle_accounts for r in wanted) == small_volume.needle_count > 0
    assert all(f"/{small_volume.first_day:%Y/%m/%d}/" in path for path in small_volume.paths())


def test_the_same_plan_makes_the_same_volume(small_volume: Volume, tmp_path: Path) -> None:
    again = volume(tmp_path, small_volume.plan)
    assert [Path(p).read_bytes() for p in again.paths()] == [Path(p).read_bytes() for p in small_volume.paths()]


def _content(path: str) -> bytes:
    return gzip.decompress(Path(path).read_bytes())


def test_the_job_is_bundled_with_rules_that_keep_the_needles_alone(small_volume: Volume, tmp_path: Path) -> None:
    rules = load_rules("cloudtrail", keep_only_needles(small_volume))
    kept = {"eventname": NEEDLE_NAMES[0], "recipientaccountid": small_volume.needle_accounts[0]}
    assert rules.exclusion(kept) is None
    assert rules.exclusion({**kept, "eventname": "Decrypt"}) == "other_eventname"
    other = next(a for a in small_volume.account_ids if a not in small_volume.needle_accounts)
    assert rules.exclusion({**kept, "recipientaccountid": other}) == "other_recipientaccountid"
    shipped = tmp_path / "glue.zip"
    shipped.write_bytes(bundle(Task(small_volume, tmp_path, needle=True)))
    assert b"other_eventname" in zipfile.ZipFile(shipped).read(RULES)


def test_cpu_of_what_outlives_its_parent_is_counted(tmp_path: Path) -> None:
    burn = "t = __import__('time'); end = t.process_time() + 0.5\nwhile t.process_time() < end: pass"
    orphan = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn!r}], start_new_session=True)"
    found = measure([sys.executable, "-c", orphan], tmp_path / "orphan.log")
    assert found.cpu_seconds >= 0.5


BURN = """
import os, signal, sys, time
how, seconds, account = sys.argv[1], float(sys.argv[2]), sys.argv[3]

def end():
    with open(account, "a") as file: print(time.process_time(), file=file, flush=True)
    os._exit(0)

def start(work):
    if os.fork() == 0:
        work()
        end()

def burn(seconds):
    while time.process_time() < seconds: pass

def burn_and_rest(seconds):
    burn(seconds)
    time.sleep(0.5)  # for a last sample, however busy the machine is

def wait_for_two():
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for _ in range(2):
        start(lambda: burn_and_rest(seconds / 2))
        os.wait()

def daemonize():
    os.setsid()
    start(lambda: burn(seconds))

def leave_unwaited(work, count=1):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in range(count): start(work)
    try: os.wait()  # which ends with the last child, and says of none that it ended
    except ChildProcessError: pass

if how == "ordinary": start(lambda: burn(seconds)); os.wait()
if how == "many": [(start(lambda: burn(seconds / 25)), os.wait()) for _ in range(25)]
if how == "daemon": start(daemonize)
if how == "unwaited": leave_unwaited(lambda: burn_and_rest(seconds))
if how == "many unwaited": leave_unwaited(lambda: burn(seconds / 25), count=25)
if how == "below an unwaited one": leave_unwaited(wait_for_two)
end()
"""


def _burn(how: str, seconds: float, counter: str, folder: Path) -> tuple[float, float]:
    """CPU seconds (counted, burned): every process of the command writes down its own."""
    if counter == counters.CGROUP and counters.available() != counters.CGROUP:
        pytest.skip("no control group can be made here")
    account = folder / "account.txt"
    command = [sys.executable, "-I", "-S", "-c", BURN, how, str(seconds), str(account)]
    found = measure(command, folder / "burn.log", counter=counter)
    return found.cpu_seconds, sum(map(float, account.read_text().split()))


@pytest.mark.fault(97, "a child that its parent never waits for uses a CPU second", "both counters count them")
@pytest.mark.parametrize("counter", [counters.CGROUP, counters.SAMPLES])
def test_cpu_of_a_child_that_its_parent_never_waits_for_is_counted(counter: str, tmp_path: Path) -> None:
    counted, burned = _burn("unwaited", 1.0, counter, tmp_path)
    assert burned > 1.0
    assert counted == pytest.approx(burned, rel=0.1)


@pytest.mark.fault(97, "children are waited for, many, daemonized, or below an unwaited one", "each counts once")
@pytest.mark.parametrize("counter", [counters.CGROUP, counters.SAMPLES])
@pytest.mark.parametrize(
    ("how", "seconds"), [("ordinary", 0.3), ("many", 0.4), ("daemon", 0.3), ("below an unwaited one", 1.2)]
)
def test_cpu_of_every_other_child_is_counted_once(how: str, seconds: float, counter: str, tmp_path: Path) -> None:
    counted, burned = _burn(how, seconds, counter, tmp_path)
    assert burned > seconds
    assert counted == pytest.approx(burned, rel=0.1)


def test_cpu_of_many_short_children_that_nobody_waits_for_is_counted_by_a_control_group(tmp_path: Path) -> None:
    counted, burned = _burn("many unwaited", 0.4, counters.CGROUP, tmp_path)
    assert counted == pytest.approx(burned, rel=0.1)


def test_a_contender_that_does_not_end_in_time_leaves_nothing_running_beside_the_next(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    sleeper = f"import os, time; open({str(written)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    starter = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleeper!r}], start_new_session=True)"
    with pytest.raises(ContenderFailedError, match="killed after 2 s"):
        measure([sys.executable, "-c", f"{starter}; import time; time.sleep(60)"], tmp_path / "late.log", 2)
    assert not Path(f"/proc/{written.read_text()}").exists()
    measure([sys.executable, "-c", starter], tmp_path / "rest.log", timeout_seconds=8)
    assert not Path(f"/proc/{written.read_text()}").exists(), "what outlives a command is ended, and is no lateness"


def test_a_contender_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ContenderFailedError, match="exit code 3"):
        measure([sys.executable, "-c", "import sys; sys.exit(3)"], tmp_path / "failed.log")


def test_wrong_output_is_shown_with_its_number(small_volume: Volume) -> None:
    runs = Runs(small_volume, wanted=10)
    runs.outputs["right"] = RowCheck(10, 10, 1, 1, None)
    runs.outputs["twice"] = RowCheck(10, 9, 1, 1, None)
    runs.failures["absent"] = "No module named polars"
    assert runs.verdict("right") == "right"
    assert runs.verdict("twice") == "WRONG: 10 rows, 9 ids of 10"
    assert runs.verdict("absent") == "failed: No module named polars"


def test_notifications_become_a_message_each() -> None:
    settings = AddAPartSettings("raw-cloudtrail", "cloudtrail", "loglake", "bench", "queue", "quarantine")
    sqs = CountingQueue()
    with silence():
        assert produce(notification(1, "bench"), settings, sqs) == {"placed": 1}
    assert sqs.count == 1
    assert all(rate > 0 for rate in rates(100, silence))


@pytest.fixture(scope="module")
def runs(small_volume: Volume, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Our job and one other, really run."""
    python = next(one for one in OTHERS if one.name == "python")
    return compare(
        (JOB, LOCAL, python), small_volume, False, 1, tmp_path_factory.mktemp("scratch"), SERIAL, lambda text: None
    )


def test_our_job_and_a_loop_write_every_event_once(runs: Runs) -> None:
    assert {name: runs.verdict(name) for name in runs.costs} == {"job": "right", "local": "right", "python": "right"}
    assert runs.failures == {}
    assert (
        runs.outputs["job"].verbatim_pct
        == runs.outputs["local"].verbatim_pct
        == runs.outputs["python"].verbatim_pct
        == 100
    )
    assert all(cost.cpu_seconds > 0 and cost.peak_bytes > 0 for name in runs.costs for cost in runs.costs[name])


def test_our_job_keeps_the_needles_and_nothing_else(small_volume: Volume, tmp_path: Path) -> None:
    found = compare((JOB,), small_volume, True, 1, tmp_path, SERIAL, lambda text: None)
    assert found.verdict("job") == "right"
    assert found.wanted == small_volume.needle_count


@pytest.mark.parametrize("name", ["polars", "chdb", "duckdb"])
def test_a_library_that_is_installed_writes_the_same_columns(name: str, small_volume: Volume, tmp_path: Path) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} comes with `make bench`")
    contender: Contender = next(one for one in OTHERS if one.name == name)
    found = compare((contender,), small_volume, True, 1, tmp_path, SERIAL, lambda text: None)
    assert found.verdict(name) == "right"


def test_columns_are_named_once() -> None:
    assert len(set(NAMES)) == len(NAMES) == 38


def test_rows_that_are_missing_are_found_missing(small_volume: Volume, tmp_path: Path) -> None:
    assert check_answer(tmp_path, delivered_parameters(small_volume)).rows == 0


def test_the_page_and_the_model_say_what_was_measured(runs: Runs) -> None:
    told = comparison(runs)
    small = json.loads(json.dumps(told)) | {"events": EVENTS // 2}
    results = {
        "size": "trial",
        "begun": "2026-11-26T10:00:00Z",
        "parts": {
            "build_all": {"begun": "2026-11-26T10:00:00Z", "rounds": None},
            "needle": {"begun": "2026-11-25T08:00:00Z", "rounds": 3},
        },
        "java_options": SERIAL,
        "own_java_options": SERIAL,
        "machine": {
            **dict.fromkeys(("processor", "system", "python", "java"), "x"),
            **{"cores": 2, "memory_gb": 1.0, "load_average_before": 0.5, "packages": {"pyspark": "3"}},
            "cpu_counter": "an abacus",
        },
        "figures": {"build_all.steady_cpu.job": figure([50.0], "CPU s").document()},
        "comparisons": {"build_all": told, "build_all_smaller": small, "needle": told},
        "failures": {"growth": "RuntimeError: it was dark"},
    }
    added = cost_figures(results)
    results["figures"].update(added["figures"])  # type: ignore[attr-defined]  # of the mixed dictionary above
    text = page({**results, "cost": added["cost"]}, None)
    assert "our Glue job" in text
    assert "CPU is counted by an abacus." in text
    assert "The targets are those of SIZE=full. This run is smaller" in text
    assert "This run is smaller" not in page({**results, "size": "full", "cost": added["cost"]}, None)
    assert "Not of this run, but of earlier ones in the same conditions: `needle` of 2026-11-25T08:00:00Z" in text
    assert "`build_all` of" not in text
    assert "**The part growth failed**: RuntimeError: it was dark" in text
    assert f"{added['cost']['kept']['every event']['dpu_seconds']:,.0f}" in text
    assert "| right |" in text


def test_parts_of_an_earlier_run_stay_only_if_it_ran_in_the_same_conditions(tmp_path: Path) -> None:
    machine = {"cores": 2, "cpu_counter": "an abacus", "load_average_before": 0.5}
    begun = {"size": "small", "java_options": "-X", "own_java_options": "-Y", "machine": machine, "bundle": "one"}
    begun["begun"] = "today"
    results = tmp_path / "results.json"
    assert merge_earlier_parts(begun, results)["parts"] == {}
    earlier = {**begun, "begun": "yesterday", "parts": {"tiny": {"begun": "yesterday"}}, "figures": {"tiny": 1}}
    results.write_text(json.dumps({**earlier, "machine": {**machine, "load_average_before": 9.0}}))
    kept = merge_earlier_parts(begun, results)
    assert (kept["begun"], kept["parts"], kept["figures"]) == ("today", earlier["parts"], {"tiny": 1})
    counter = {"machine": {**machine, "cpu_counter": "fingers"}}
    for other in ({"size": "full"}, {"java_options": "-Z"}, {"bundle": "two"}, counter):
        results.write_text(json.dumps({**earlier, **other}))
        assert merge_earlier_parts(begun, results)["figures"] == {}


def test_a_target_that_is_missed_is_shown_as_missed() -> None:
    figures = {
        "large.cpu_ratio_naive": {"median": 5.0},  # naive takes five times ours
        "size.ratio_delivered": {"median": 0.9},
        "query.one_session.speedup": {"median": 61.0},
    }
    rows = {line.split(" | ")[0][2:]: line for line in targets_table(figures).splitlines() if line.startswith("| ")}
    assert rows["every event, 5 million, by Spark: our CPU over Spark's with an inferred schema"].endswith(
        "| at most 0.45 | 0.2 | met |"
    )
    assert rows["our ORC over the delivered gzip"].endswith("| at most 0.63 | 1.11 | **missed** |")
    assert rows["one session: raw over readready, wall"].endswith("| at least 60 | 61 | met |")
    assert rows["recount of 5 million events: memory of its process, MB"].endswith("at most 1,000 | not measured |  |")
    assert len(rows) == 1 + len(TARGETS)


def test_steady_cpu_is_compared_with_the_native_loop_only_where_both_were_measured(runs: Runs) -> None:
    steady = {"needle.steady_cpu.job": figure([50.0], "CPU s")}
    assert steady_ratio("needle", {}, runs, JOB.name) == steady_ratio("needle", steady, runs, "absent") == {}
    found = steady_ratio("needle", steady, runs, JOB.name)["needle.steady_ratio_job"].median
    assert found == pytest.approx(50 / (runs.cpu(JOB.name)[0] / EVENTS * 1e6))


def test_the_plot_is_a_picture_of_every_axis() -> None:
    took = {"cpu_seconds": 1.0, "wall_seconds": 2.0, "peak_bytes": 1.0}
    axes = {axis: [{"x": 1.0, **took}, {"x": 10.0, **took}] for axis in ("events", "objects", "days")}
    tree = ElementTree.fromstring(growth_plot("Growth <of> it", axes))
    texts = {node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {"events", "objects", "days"} <= texts


def test_every_layout_has_a_name_of_its_own_and_differs_from_the_present_one() -> None:
    assert len(names()) == len(LAYOUTS)
    differing = {one.name for one in LAYOUTS if (one.sort_by, one.compression, one.settings) != (None, "zstd", {})}
    assert differing == {one.name for one in LAYOUTS} - {PRESENT.name}


@pytest.fixture(scope="module")
def layouts_result(small_volume: Volume, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A small day of our job, really written under every layout."""
    home = tmp_path_factory.mktemp("layouts")
    partitions = small_volume.folder / "partitions.json"
    window = Window(SOURCE, small_volume.files, partitions, small_volume.first_day, small_volume.last_day, home / "job")
    told = program("bench.layout_writer", str(build_rows(window, glue_bundle())), str(home / "out"), "1")
    run = {"bytes_read": 2e6, "cpu_seconds": 0.25, "wall_seconds": 0.5}
    questions = dict.fromkeys(QUESTIONS, run)
    return {**told, "delivered_bytes": small_volume.delivered_bytes, "questions": dict.fromkeys(names(), questions)}


def test_layouts_hold_the_same_rows_and_their_columns_are_in_the_files(layouts_result: dict[str, Any]) -> None:
    layouts, columns = layouts_result["layouts"], layouts_result["columns"]
    assert layouts_result["events"] == EVENTS
    assert set(layouts) == set(names())
    assert layouts["present"]["bytes"] < layouts["zlib"]["bytes"] < layouts["snappy"]["bytes"]
    assert layouts["bloom_eventid"]["bytes"] > layouts["present"]["bytes"]
    for name, one in columns.items():
        assert set(one) == {c.name for c in load_source(SOURCE).readready.all_columns}
        assert 0 < min(one.values()) < max(one.values()) < layouts[name]["bytes"]
    assert columns["present"]["eventid"] >= 15 * EVENTS, "a UUID has 15 bytes that nothing predicts"


def test_the_page_tells_each_layout_and_where_the_bytes_are(layouts_result: dict[str, Any]) -> None:
    figures = layout_figures(layouts_result)
    assert figures["layout.zlib.size_ratio"].median > 1
    assert 20 < figures["layout.present.random_ids_pct"].median < 100
    table, columns = layout_table(layouts_result), column_table(layouts_result)
    assert [title for title in names().values() if f"| {title} |" not in table] == []
    assert "| 2.00 / 250 / 500 |" in table
    assert "| `eventid` |" in columns
    assert columns.count("100.0 %") == 2
