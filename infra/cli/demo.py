"""The whole lake on a private stack, from sample logs to reviewed sessions. Exit code 0 only if all numbers add up."""

import os
import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from infra.cli.ask import print_looker_answer
from infra.cli.build import build_range, print_days
from infra.cli.dagster_runs import dagster_instance
from infra.cli.demo_arrivals import Arrivals, tell_burst, tell_latency
from infra.cli.demo_truth import build_problems, review_problems
from infra.cli.digest_keys import keep_keys
from infra.cli.digests import print_digests, validate_days
from infra.cli.evidence import event_evidence
from infra.cli.home import REPOSITORY, home_text, lake_home, own_environment
from infra.cli.load import LoadResult, await_partitions, put_objects, samples_to_put
from infra.cli.local_ask import ask_locally
from infra.cli.local_lake import LocalLake, local_lake
from infra.cli.quarantine import print_quarantine
from infra.cli.query import ask, print_answer
from infra.cli.report import make_report
from infra.cli.review import WhichSessions, build_review_range, print_review_days, write_review
from infra.cli.terminal_output import escape
from infra.cli.tick import tick_raw_sensor
from infra.emulator.processes import running_stack, stop_stack
from loglake_assets.questions import questions
from loglake_assets.reviews import Review, load_review, review_names
from loglake_assets.sources import LogSource, load_source, source_names
from loglake_assets.sources.calendar_days import day_number, days_argument
from loglake_assets.sources.model import ENGINE, LOCAL, SPARK
from loglake_assets.sources.sample_deliveries import (
    DAYS,
    FIRST_DAY,
    GroundTruth,
    NoSamplesError,
    Samples,
    generate,
    sample_keys,
)
from loglake_assets.sources.words import inflect, tally
from resources.settings import loglake

Say = Callable[[str], None]
ASKED = ("who_started_sessions", "what_was_typed", "which_models", "which_tools", "what_a_person_did")
"""Of all the questions, those that the demo asks."""
QUESTION = "Which tools did agents use?"
MADE_BY_A_DEMO = "made-by-make-demo"
"""In a home: it was made by a demo, so that the next one may remove it."""


class DemoError(RuntimeError):
    """The demo cannot run where it was asked to; the message says why and what to do."""


@dataclass
class Demo:
    """What a demo says: called like any other `say`, with steps whose numbers rise."""

    say: Say
    steps: int = 0

    def __call__(self, text: str) -> None:
        self.say(text)

    def step(self, text: str) -> None:
        self.steps += 1
        self.say(f"{'' if self.steps == 1 else chr(10)}{self.steps}. {text}")


def demo_home() -> Path:
    """Where a demo keeps its lake: LOGLAKE_HOME, or .loglake-demo/ in the repository."""
    return lake_home() if os.environ.get("LOGLAKE_HOME") else REPOSITORY / ".loglake-demo"


def empty_home(home: Path) -> None:
    """Remove what an earlier demo left in `home`. Raises DemoError where something else is there."""
    if home.exists() and not home.is_dir():
        raise DemoError(f"{home} is no folder. Nothing was changed; name another with --keep, or none.")
    if home.exists() and any(home.iterdir()):
        if not (home / MADE_BY_A_DEMO).exists():
            raise DemoError(
                f"{home} is not empty and no demo made it. Nothing was changed: a demo removes the lake that it finds. "
                "Name another folder with --keep, or none: then it is .loglake-demo/."
            )
        if info := running_stack(home):
            stop_stack(info)
        for path in home.iterdir():  # the marker last: what is cut off here is a demo's all the same
            if path.name != MADE_BY_A_DEMO:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    home.mkdir(parents=True, exist_ok=True)
    (home / MADE_BY_A_DEMO).touch()


def run_demo(events: int, say: Say) -> int:
    """Run it for every source that can make samples; returns the exit code. The lake stays, to be looked at."""
    started, home, demo, asked = time.monotonic(), demo_home(), Demo(say), os.environ.get(ENGINE)
    _refuse_too_few(events)
    empty_home(home)
    demo.step(f"A lake in {home_text(home)}: S3, SQS, Lambda, Glue, Athena on 127.0.0.1")
    with local_lake(home, lambda text: say(f"   {text}")) as lake:
        truths: dict[str, GroundTruth] = {}
        problems: list[str] = []
        for number, name in enumerate(source_names()):
            spread = asked or (LOCAL if number else SPARK)  # one log as Glue builds all of them
            problems += _demo_source(lake, load_source(name), events, truths, demo, spread)
        problems += [p for name in review_names() for p in _demo_review(lake, load_review(name), truths, demo)]
        problems += _demo_question(lake, demo)
        demo.step("How whole the lake is, as a page for people who never open Dagster")
        report = make_report(lake, lambda text: say(f"   {text}"))
        commands = [loglake(command) for command in ("status", "up", "down")]
    say(f"\n{time.monotonic() - started:.0f} s in all. The lake stays until the next demo; look at it with")
    for command in commands:
        say(f"   {command}")
    if not shutil.which("loglake"):
        say("(`source .venv/bin/activate` puts loglake on the path of this shell)")
    for problem in problems:
        say(f"DOES NOT ADD UP: {problem}")
    say(
        "Every number adds up."
        if not problems
        else f"{tally(len(problems), 'number')} {inflect(len(problems), 'does', 'do')} not add up."
    )
    say(f"To open in a browser: {report.as_uri()}")
    return 1 if problems else 0


def _refuse_too_few(events: int) -> None:
    """Raise DemoError, before anything is started, where the samples of a log have no room for what they must hold."""
    for name in source_names():
        try:
            generate(name, FIRST_DAY, DAYS, events)
        except NoSamplesError:
            continue
        except ValueError as error:
            raise DemoError(f"Samples of {name} cannot be made: {error}. Nothing was started; ask for more.") from error


def _demo_source(
    lake: LocalLake, source: LogSource, events: int, truths: dict[str, GroundTruth], say: Demo, engine_asked: str
) -> list[str]:
    try:
        samples = generate(source.name, FIRST_DAY, DAYS, events)
    except NoSamplesError as error:
        say(f"   {error}")
        return []
    truth = truths[source.name] = samples.ground_truth()
    loaded, missing = _load(lake, source, samples, say)
    missing |= _measure(lake, source, say)
    by = "Spark" if engine_asked == SPARK else "the processes of this machine, without Spark"
    say.step(f"Dagster: the raw sensor ticks, then {FIRST_DAY} to {_last_day()} are built by {by}, and checked")
    _tick(lake, source, say)
    with own_environment():
        os.environ[ENGINE] = engine_asked
        results = build_range(lake, source, FIRST_DAY, _last_day(), say)
    print_days(lake, source, results)
    print_quarantine(lake, source, [r.day for r in results if r.metadata])
    _answer_question(lake, source.name, say)
    problems = [*_load_problems(truth, loaded, missing), *build_problems(truth, results)]
    return [*problems, *_digest_problems(lake, source, truth, say), *_evidence_problems(lake, source, say)]


def _evidence_problems(lake: LocalLake, source: LogSource, say: Say) -> list[str]:
    """One row, and whether everything that stands behind it still agrees."""
    day = day_number(FIRST_DAY)
    sql = f"SELECT min({source.readready.key}) AS id FROM {source.readready.name} WHERE logcalendarday = {day}"
    event_id = str(ask(lake, sql).texts[0][0])
    command = loglake(f"evidence {shlex.quote(escape(event_id))} --day {FIRST_DAY}")
    say(f"\n   What stands behind one row: {command}")
    (found,) = event_evidence(lake, event_id, source.name, FIRST_DAY)
    marks = {True: "agrees", False: "DIFFERS", None: "not known"}
    for statement in found.statements:
        say(f"   {statement.what:<18} {marks[statement.agrees]:<9}  {escape(statement.detail)}")
    return [] if found.agrees else [f"the evidence of one row of {source.title} does not agree"]


def _digest_problems(lake: LocalLake, source: LogSource, truth: GroundTruth, say: Say) -> list[str]:
    """Where the log vouches for itself: nothing but what the samples damage may be found; nothing else was touched."""
    if not source.digests:
        return []
    say(f"\n   The digests of {source.title}: what was delivered against what is stored")
    reports = validate_days(lake, source, FIRST_DAY, _last_day(), None, say)
    print_digests(source, reports)
    found = [finding for report in reports for finding in report.findings]
    problems = [finding.sentence for finding in found if finding.key not in truth.quarantined_objects]
    return problems if any(report.files_named for report in reports) else [*problems, "no digest names a file"]


def _demo_review(lake: LocalLake, review: Review, truths: dict[str, GroundTruth], say: Demo) -> list[str]:
    """Build a review of the days, compare it with the truth about them, and put its packets where they can be read."""
    say.step(f"{review.title}: {review.description}")
    results = build_review_range(lake, review, FIRST_DAY, _last_day(), say)
    print_review_days(review, results)
    _answer_question(lake, review.name, say)
    if any("packets" in r.metadata for r in results):
        folder = lake.home / "packets" / review.name
        written = write_review(
            lake, WhichSessions(who="*", first=FIRST_DAY, last=FIRST_DAY), None, folder, lambda text: None
        )
        say(f"   packets of {FIRST_DAY}, to open in a browser: {home_text(written[-1])}")
    problems = [f"{r.day}: {r.error}" for r in results if r.error]
    truth = [truths[name] for name in review.sources if name in truths]
    return problems + review_problems(lake, review.name, truth, FIRST_DAY, _last_day())


def _demo_question(lake: LocalLake, say: Demo) -> list[str]:
    """One question to Looker, the deployed function, with a stand-in where a model would be."""
    say.step(f"Log Lake Looker is asked: {QUESTION} (no model: a scripted stand-in shows the way of a question)")
    answer = ask_locally(lake, QUESTION, None, lambda text: None)
    print_looker_answer(answer, lambda text: say(f" {text}"))
    return [] if answer["queries"] and not answer["stopped_by"] else ["Looker ran no query"]


def _last_day() -> date:
    return FIRST_DAY + timedelta(days=DAYS - 1)


def _load(lake: LocalLake, source: LogSource, samples: Samples, say: Demo) -> tuple[LoadResult, set[tuple[str, ...]]]:
    say.step(f"Sample logs of {source.title}, as they are delivered, through S3 and AddAPart")
    keep_keys(lake, sample_keys(source.name))
    loaded = put_objects(lake, source, samples_to_put(samples.objects()), say)
    started = time.monotonic()
    missing = await_partitions(lake, source, loaded.partitions, say, 60)
    say(
        f"   {tally(loaded.objects, 'object')} in {loaded.seconds:.1f} s ({loaded.objects / loaded.seconds:,.0f} "
        "a second)"
    )
    say(
        f"   {len(loaded.partitions) - len(missing):,} of {tally(len(loaded.partitions), 'raw partition')} "
        f"registered, the last {time.monotonic() - started:.1f} s after the last object"
    )
    for reason, count in sorted(loaded.ignored.items()):
        say(f"   {tally(count, 'object')} without events got no partition: {reason}")
    return loaded, missing


def _measure(lake: LocalLake, source: LogSource, say: Demo) -> set[tuple[str, ...]]:
    """How soon objects have their partitions; returns partitions that were lost. Nothing of it stays in the lake."""
    say.step("From one object to its visible partition, warm")
    arrivals = Arrivals(lake, source)
    try:
        tell_latency(arrivals, say)
        return tell_burst(arrivals, say)
    finally:
        arrivals.clear_away()
        say("   these objects and their partitions are removed again")


def _tick(lake: LocalLake, source: LogSource, say: Say) -> None:
    with dagster_instance(lake) as instance:
        days = tick_raw_sensor(lake, instance, source)
    say(f"   the sensor recorded {tally(days, 'raw day')}")


def _answer_question(lake: LocalLake, subject: str, say: Demo) -> None:
    """One of the subject's questions, for the others to be found by `loglake questions`."""
    names = [one for one in questions() if one.subject == subject]
    chosen = next((one for one in names if one.name in ASKED), names[0] if names else None)
    if chosen:
        command = loglake(f"ask-sql {chosen.name} --days {days_argument(FIRST_DAY, _last_day())}")
        say.step(f"{chosen.title}   (Athena API; {command}; one of {len(names)} on {subject})")
        print_answer(ask(lake, chosen.statement(FIRST_DAY, _last_day())), "table")


def _load_problems(truth: GroundTruth, loaded: LoadResult, missing: set[tuple[str, ...]]) -> list[str]:
    problems = [f"partition {'/'.join(values)} was not registered" for values in sorted(missing)]
    if len(loaded.partitions) != truth.raw_partitions:
        problems.append(f"{len(loaded.partitions)} raw partitions, expected {truth.raw_partitions}")
    if loaded.ignored != truth.ignored_keys:
        problems.append(f"ignored keys {loaded.ignored}, expected {truth.ignored_keys}")
    return problems
