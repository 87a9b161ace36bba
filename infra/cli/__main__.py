"""The commands of the local lake: `python -m infra.cli <command>`, as the Makefile calls them."""

import argparse
import logging
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from infra.cli.failures import sentence
from infra.cli.lake import existing_lake, lake_home, opened_lake, warn
from infra.cli.signals import stop_on_signals
from infra.cli.terminal import escaped
from infra.emulator.disk_reserve import RESERVE_BYTES, free_bytes

EXIT_FAILED = 1
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130  # as a shell has it for Ctrl-C


class UsageError(ValueError):
    """A command was given too little, or something it does not know."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what cannot be done is one clear sentence and a non-zero exit."""
    options = _parser().parse_args(arguments)
    warnings.simplefilter("ignore")  # of libraries: a person at a terminal can do nothing about them; tests see them
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of statements that are no SELECT, such as SHOW
    try:
        code: int = options.run(options)
        if code:
            _warn_of_a_full_disk()
        return code
    except KeyboardInterrupt:
        print(f"{options.command}: stopped. What it had started was stopped too.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("LOGLAKE_TRACEBACK"):
            raise
        print(f"{options.command}: {sentence(error, lake_home())}", file=sys.stderr)
        return EXIT_REFUSED


def _warn_of_a_full_disk() -> None:
    """A command that failed on a full disk may say so in other words: of what it waited for in vain."""
    home = lake_home()
    if home.exists() and (free := free_bytes(home)) < RESERVE_BYTES:
        warn(f"The disk of {home} has {free / 1e6:,.0f} MB free, which may be the cause. Free some, then try again.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.cli", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        added = commands.add_parser(name)
        added.set_defaults(run=run)
        return added

    command("demo", _demo).add_argument("--events", type=int, default=50_000)
    command("up", _up)
    command("down", _down)
    generate = command("generate", _generate)
    for name in ("source", "dir", "events", "days", "from", "faults"):
        generate.add_argument(f"--{name}", default=os.environ.get(name.upper()) or None)
    stress = command("stress", _stress)
    for name in ("source", "rate", "step-seconds", "new-prefix-pct", "up-to", "on"):
        stress.add_argument(f"--{name}", default=os.environ.get(name.upper().replace("-", "_")) or None)
    load = command("load", _load)
    load.add_argument("--source", default=os.environ.get("SOURCE"))
    load.add_argument("--dir", default=os.environ.get("DIR"))
    for name, run, given in (
        ("build", _build, ("source", "from", "to", "accept_loss")),
        ("rollback", _rollback, ("source", "day", "run")),
        ("collect", _collect, ("keep_days", "keep_generations", "apply")),
        ("requeue", _requeue, ("source", "from", "to")),
        ("evidence", _evidence, ("event_id", "source", "day", "format", "keys")),
        ("digests", _digests, ("source", "from", "to", "keys")),
    ):
        added = command(name, run)
        for option in given:
            added.add_argument(f"--{option}", dest=f"given_{option}", default=os.environ.get(option.upper()) or None)
    command("query", _query)
    command("ask", _ask).add_argument("--question", default=os.environ.get("Q"))
    review = command("review", _review)
    for name in ("session", "who", "from", "to", "reviewers", "out", "unmask"):
        review.add_argument(f"--{name}", default=os.environ.get(name.upper()) or None)
    review.add_argument("--reviewer", default=os.environ.get("REVIEWER") if _is_given("REVIEWER") else None)
    command("status", _status)
    command("reconcile", _reconcile)
    return parser


def _is_given(name: str) -> bool:
    """Whether a variable was given, be it empty; make exports all it knows and says which were."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_GIVEN"))


def _say(text: str) -> None:
    print(text, flush=True)


def _quiet(text: str) -> None:
    """Deployment tells of every stack; a command on a deployed lake need not."""


def _demo(options: argparse.Namespace) -> int:
    from infra.cli.demo import run_demo

    return run_demo(options.events, _say)


def _up(options: argparse.Namespace) -> int:
    from infra.cli.up import up

    return up(lake_home(), _say)


def _down(options: argparse.Namespace) -> int:
    from infra.cli.up import down

    return down(lake_home(), _say)


def _generate(options: argparse.Namespace) -> int:
    from infra.cli.generate import generate_files

    _all_given("make generate SOURCE=<log> DIR=path [EVENTS=100000]", SOURCE=options.source, DIR=options.dir)
    return generate_files(vars(options), _say)


def _stress(options: argparse.Namespace) -> int:
    from infra.cli.stress.run import stress, stress_settings
    from loglake_assets.sources import load_source

    _all_given("make stress SOURCE=<log> [RATE=50] [SECONDS=30]", SOURCE=options.source)
    settings, on_own_lake = stress_settings(vars(options))
    return stress(load_source(options.source), settings, on_own_lake, _say)


def _load(options: argparse.Namespace) -> int:
    from infra.cli.digest_keys import keep_keys
    from infra.cli.first_day import days_not_shown
    from infra.cli.generate import METADATA, PUBLIC_KEYS, read_beside
    from infra.cli.load import await_partitions, files_under, put_objects, refuse_strays
    from loglake_assets.sources import load_source

    _all_given("make load SOURCE=<log> DIR=path", SOURCE=options.source, DIR=options.dir)
    source = load_source(options.source)
    files = list(files_under(Path(options.dir)))
    refuse_strays(source, [key for key, _ in files])
    keys, metadata = read_beside(Path(options.dir), PUBLIC_KEYS), read_beside(Path(options.dir), METADATA)
    with opened_lake(lake_home(), _quiet) as lake:
        keep_keys(lake, keys)
        loaded = put_objects(lake, source, ((key, path.read_bytes, metadata.get(key, {})) for key, path in files), _say)
        _say(
            f"{loaded.objects:,} objects, {loaded.bytes:,} bytes in {loaded.seconds:.1f} s; days: {_range(loaded.days)}"
        )
        for reason, count in sorted(loaded.ignored.items()):
            _say(f"  {count:,} are no events of this log: {reason}")
        missing = await_partitions(lake, source, loaded.partitions, _say, 120)
        _say(f"{len(loaded.partitions) - len(missing):,} of {len(loaded.partitions):,} partitions registered")
        if loaded.days and (said := days_not_shown(lake.home, date.fromisoformat(loaded.days[0]))):
            _say(said)
    return EXIT_FAILED if missing else 0


def _range(days: Sequence[str]) -> str:
    return f"{days[0]} to {days[-1]}" if days else "none"


def _build(options: argparse.Namespace) -> int:
    from infra.cli.build import InterruptedBuildError, build_range, parsed_day, print_days
    from infra.cli.mend import committed_table
    from infra.cli.quarantine import print_quarantine
    from loglake_assets.orchestration.readready_days import ACCEPT_LOSS_TAG
    from loglake_assets.reviews import review_names
    from loglake_assets.sources import load_source

    name, first_text, last_text = options.given_source, options.given_from, options.given_to
    wanted = "make build SOURCE=<log or review> FROM=2026-11-01 TO=2026-11-07"
    _all_given(wanted, SOURCE=name, FROM=first_text, TO=last_text)
    first, last = parsed_day(first_text, "FROM"), parsed_day(last_text, "TO")
    committed_table(name)  # refuses what is neither a log nor a review
    if name in review_names():
        return _build_review(name, first, last)
    source, tags = load_source(name), {ACCEPT_LOSS_TAG: "true"} if _is_yes(options, "accept_loss") else {}
    with existing_lake(lake_home(), _quiet) as lake:
        try:
            results = build_range(lake, source, first, last, _say, tags)
        except InterruptedBuildError as stop:
            print_days(source, stop.results)
            return _interrupted(stop)
        print_days(source, results)
        print_quarantine(lake, source, [r.day for r in results if r.metadata])
    return EXIT_FAILED if any(r.error for r in results) else 0


def _interrupted(stop: Exception) -> int:
    print(f"build: {stop}", file=sys.stderr)
    return EXIT_INTERRUPTED


def _build_review(name: str, first: date, last: date) -> int:
    from infra.cli.build import InterruptedBuildError
    from infra.cli.review import build_review_range, print_review_days
    from loglake_assets.reviews import load_review

    with existing_lake(lake_home(), _quiet) as lake:
        try:
            results = build_review_range(lake, load_review(name), first, last, _say)
        except InterruptedBuildError as stop:
            print_review_days(load_review(name), stop.results)
            return _interrupted(stop)
        print_review_days(load_review(name), results)
    return EXIT_FAILED if any(r.error for r in results) else 0


def _is_yes(options: argparse.Namespace, name: str) -> bool:
    """Whether a switch was given as yes. Raises UsageError for anything but yes and no."""
    given = getattr(options, f"given_{name}") or "no"
    if given not in {"yes", "no"}:
        raise UsageError(f"{name.upper()}={given} is not known; accepted: yes, no.")
    return bool(given == "yes")


def _rollback(options: argparse.Namespace) -> int:
    from infra.cli.build import parsed_day
    from infra.cli.mend import roll_back

    name, day, run = options.given_source, options.given_day, options.given_run
    _all_given("make rollback SOURCE=<log or review> DAY=2026-11-01 RUN=<run>", SOURCE=name, DAY=day, RUN=run)
    with existing_lake(lake_home(), _quiet) as lake:
        roll_back(lake, name, parsed_day(day, "DAY"), run, _say)
    return 0


def _collect(options: argparse.Namespace) -> int:
    from infra.cli.mend import collect_old_runs
    from loglake_assets.lake.versions.retention import RetentionRule

    numbers = {"KEEP_DAYS": options.given_keep_days or "30", "KEEP_GENERATIONS": options.given_keep_generations or "3"}
    for name, text in numbers.items():
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise UsageError(f"{name}={text} is not a number of 1 or more.")
    rule = RetentionRule(int(numbers["KEEP_DAYS"]), int(numbers["KEEP_GENERATIONS"]))
    apply = _is_yes(options, "apply")
    with existing_lake(lake_home(), _quiet) as lake:
        return EXIT_FAILED if collect_old_runs(lake, rule, apply, _say) else 0


def _requeue(options: argparse.Namespace) -> int:
    from infra.cli.build import parsed_day, print_days
    from infra.cli.mend import requeue, requeue_messages
    from loglake_assets.sources import load_source

    name, first, last = options.given_source, options.given_from, options.given_to
    _all_given("make requeue SOURCE=<log> FROM=2026-11-01 TO=2026-11-07", SOURCE=name, FROM=first, TO=last)
    source = load_source(name)
    with existing_lake(lake_home(), _quiet) as lake:
        requeue_messages(lake, source, _say)
        done = requeue(lake, source, parsed_day(first, "FROM"), parsed_day(last, "TO"), _say)
        if done.results:
            print_days(source, list(done.results))
    _say(f"{done.before:,} entries were in quarantine, {done.after:,} are.")
    return EXIT_FAILED if any(r.error for r in done.results) else 0


def _evidence(options: argparse.Namespace) -> int:
    from infra.cli.build import parsed_day
    from infra.cli.evidence import event_evidence, print_evidence

    usage = "make evidence EVENT_ID=<id> [SOURCE=<log>] [DAY=2026-11-01] [KEYS=file] [FORMAT=json]"
    _all_given(usage, EVENT_ID=options.given_event_id)
    form = {None: "table"}.get(options.given_format, options.given_format)
    if form not in {"table", "json"}:
        raise UsageError(f"FORMAT={form} is not known; accepted: table, json.")
    day = parsed_day(options.given_day, "DAY") if options.given_day else None
    with existing_lake(lake_home(), _quiet) as lake:
        keys = Path(options.given_keys) if options.given_keys else None
        found = event_evidence(lake, options.given_event_id, options.given_source, day, keys)
        print_evidence(found, form)
    return 0 if found and all(one.agrees for one in found) else EXIT_FAILED


def _digests(options: argparse.Namespace) -> int:
    from infra.cli.build import parsed_day
    from infra.cli.digests import print_digests, validate_days
    from loglake_assets.sources import load_source

    name, first_text, last_text = options.given_source, options.given_from, options.given_to
    usage = "make digests SOURCE=<log> FROM=2026-11-01 TO=2026-11-07 [KEYS=file]"
    _all_given(usage, SOURCE=name, FROM=first_text, TO=last_text)
    source = load_source(name)
    first, last = parsed_day(first_text, "FROM"), parsed_day(last_text, "TO")
    keys = Path(options.given_keys) if options.given_keys else None
    with existing_lake(lake_home(), _quiet) as lake:
        reports = validate_days(lake, source, first, last, keys, _say)
        print_digests(source, reports)
    return EXIT_FAILED if any(report.findings for report in reports) else 0


def _review(options: argparse.Namespace) -> int:
    from infra.cli.build import parsed_day
    from infra.cli.review import Wanted, write_review
    from loglake_assets.reviews.session_activity.scoping import reviewer_named

    of_session = "make review SESSION=<id> OUT=folder"
    of_person = "make review WHO=<person> FROM=2026-11-01 TO=2026-11-07 OUT=folder"
    first_text = getattr(options, "from")
    if options.session:
        _all_given(of_session, SESSION=options.session, OUT=options.out)
        wanted = Wanted(session=options.session)
    else:
        usage = of_person if options.who else f"{of_session}, or {of_person}"
        _all_given(usage, OUT=options.out, **{"SESSION or WHO": options.who})
        _all_given(usage, WHO=options.who, FROM=first_text, TO=options.to, OUT=options.out)
        wanted = Wanted(who=options.who, first=parsed_day(first_text, "FROM"), last=parsed_day(options.to, "TO"))
    if (options.unmask or "no") not in {"yes", "no"}:
        raise UsageError(f"UNMASK={options.unmask} is not known; accepted: yes, no.")
    mapping = Path(options.reviewers) if options.reviewers else None
    reviewer = None if options.reviewer is None else reviewer_named(options.reviewer, mapping)
    with existing_lake(lake_home(), _quiet) as lake:
        written = write_review(lake, wanted, reviewer, Path(options.out), _say, options.unmask != "yes")
    _say(f"{len(written):,} files in {options.out}; begin with {written[-1]}")
    return 0


def _query(options: argparse.Namespace) -> int:
    from infra.cli.day_range import warn_of_days
    from infra.cli.query import FORMATS, ask, print_answer

    sql, form = os.environ.get("SQL", ""), os.environ.get("FORMAT") or "table"
    _all_given('make query SQL="select ..." [FORMAT=csv|json|jsonl]', SQL=sql)
    if form not in FORMATS:
        raise UsageError(f"FORMAT={form} is not known; accepted: {', '.join(FORMATS)}.")
    with existing_lake(lake_home(), _quiet) as lake:
        print_answer(ask(lake, sql), form)
        warn_of_days(lake, sql, _say if form == "table" else warn)
    return 0


def _ask(options: argparse.Namespace) -> int:
    from infra.cli.ask import ask_looker, model_access, print_looker_answer

    _all_given('make ask Q="which tools did agents use?"', Q=options.question)
    access = model_access()
    with existing_lake(lake_home(), _quiet) as lake:
        if access is None:
            _say("No model is asked: BEDROCK_MODEL_ID is not set, and a scripted stand-in shows the way of a question.")
        answer = ask_looker(lake, options.question, access)
        print_looker_answer(answer, _say)
    return EXIT_FAILED if answer["stopped_by"] else 0


def _status(options: argparse.Namespace) -> int:
    from infra.cli.status import print_status

    with existing_lake(lake_home(), _quiet) as lake:
        print_status(lake)
    return 0


def _reconcile(options: argparse.Namespace) -> int:
    from infra.cli.reconcile import reconcile_all

    with existing_lake(lake_home(), _quiet) as lake:
        return EXIT_FAILED if reconcile_all(lake, _say) else 0


def _all_given(usage: str, **values: str | None) -> None:
    """Refuse when a value is absent, naming all that are and the whole line with the values that were given."""
    if absent := [name for name, value in values.items() if not value]:
        given = {name: value for name, value in values.items() if value}
        raise UsageError(f"{' and '.join(absent)} not given. It is: {_filled(usage, given)}")


def _filled(usage: str, given: Mapping[str, str]) -> str:
    """A usage line with these values in their places, quoted for a shell."""

    def value_of(place: re.Match[str]) -> str:
        name = place[1]
        return f"{name}={escaped(shlex.quote(given[name]))}" if name in given else place[0]

    return re.sub(r"\b([A-Z_]+)=(?:<[^>]*>|[^\s\],]+)", value_of, usage)


if __name__ == "__main__":
    stop_on_signals()
    sys.exit(main())
