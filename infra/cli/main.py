"""`loglake`: the commands of a lake, on this machine or on AWS. A module is imported when its command runs."""

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer

from infra.cli.home import aws_home, aws_program, lake_home, local_program, own_environment
from resources.settings import COMMAND

if TYPE_CHECKING:
    from infra.cli.command_lake import CommandLake

EXIT_FAILED = 1
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130  # as a shell has it for Ctrl-C
LOCAL = "local"
_LAKE = "LOGLAKE_LAKE"

app = typer.Typer(
    name="loglake",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Audit logs in S3 as complete, provable, fast tables. Commands work on the lake of this machine, or with "
    "--lake on one that lakes/<name>.toml describes.",
    epilog="Exit codes: 0 done; 1 what was asked for failed or does not hold; 2 refused, or stopped by an "
    "error that says what was done; 130 stopped by Ctrl-C.",
)


class UsageError(ValueError):
    """A command was given something it does not know."""


class Format(StrEnum):
    """How rows are printed: a table for people, the others for programs."""

    table = "table"
    csv = "csv"
    json = "json"
    jsonl = "jsonl"


class EvidenceFormat(StrEnum):
    """How evidence is printed."""

    table = "table"
    json = "json"


class Place(StrEnum):
    """Where a stress run sends its objects."""

    private = "private"
    lake = "lake"


@app.callback()
def choose_lake(
    context: typer.Context,
    lake: Annotated[str, typer.Option(envvar=_LAKE, help="Name of the lake: a file of lakes/, or local.")] = LOCAL,
    home: Annotated[
        Path | None, typer.Option(envvar="LOGLAKE_HOME", help="Folder of the local lake; .loglake/ without it.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(show_default=False, help="Profile of ~/.aws/config for a lake on AWS.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(show_default=False, help="Region of a lake on AWS, as its file has it.")
    ] = None,
) -> None:
    if (
        home is not None
        and lake != LOCAL
        and context.get_parameter_source("home") is click.core.ParameterSource.COMMANDLINE
    ):
        raise UsageError(f"--home is of the local lake, and --lake is {lake}. Give one of them.")
    if lake == LOCAL and (profile or region):
        raise UsageError("--profile and --region are of a lake on AWS. Name it with --lake, or leave them out.")
    if home is not None and lake == LOCAL:
        os.environ["LOGLAKE_HOME"] = str(home)
    os.environ[COMMAND] = local_program(lake_home()) if lake == LOCAL else aws_program(lake, profile)
    os.environ[_LAKE] = lake
    context.obj = _LakeChoice(lake, profile, region)


class _LakeChoice:
    """Which lake the options name."""

    def __init__(self, name: str, profile: str | None, region: str | None) -> None:
        self.name, self.profile, self.region = name, profile, region

    @contextmanager
    def open(self) -> Iterator["CommandLake"]:
        """The lake, which is there already. Its name and place go to stderr: what is printed is of this lake."""
        from infra.cli.command_lake import warn

        with self._local() if self.name == LOCAL else self._on_aws() as lake:
            warn(f"lake {lake.settings.name}: {lake.place}")
            yield lake

    def _local(self) -> AbstractContextManager["CommandLake"]:
        from infra.cli.local_lake import existing_local_lake

        return existing_local_lake(lake_home(), _quiet)

    def _on_aws(self) -> AbstractContextManager["CommandLake"]:
        from infra.cli.aws_lake import aws_lake

        return aws_lake(self.name, self.profile, self.region)

    def refuse_local(self, command: str) -> None:
        """Raise UsageError where the lake is of this machine."""
        if self.name == LOCAL:
            raise UsageError(
                f"`loglake {command}` is for a lake on AWS: name a file of lakes/ with --lake. Nothing was done. The "
                "lake of this machine is deployed by whatever command needs it, and lies in its home."
            )

    def refuse_aws(self, command: str) -> None:
        """Raise UsageError where the lake is not of this machine."""
        if self.name != LOCAL:
            raise UsageError(
                f"`loglake {command}` is for the lake of this machine, and --lake is {self.name}. Nothing was done."
            )


Context = typer.Context
Name = Annotated[
    str, typer.Argument(show_default=False, help="A log or a review, such as cloudtrail or session_activity.")
]
Log = Annotated[str, typer.Argument(show_default=False, help="A log, such as cloudtrail.")]
Days = Annotated[
    str, typer.Argument(show_default=False, help="A day, 2026-11-01, or a range of days, 2026-11-01..2026-11-07.")
]
Keys = Annotated[
    Path | None, typer.Option(show_default=False, help="JSON file of public keys, by fingerprint, in place of AWS's.")
]


Reviewers = Annotated[
    Path | None, typer.Option(show_default=False, help="Who reviews whom, in place of reviewers.toml.")
]


@app.command()
def demo(
    context: Context,
    events: Annotated[int, typer.Option(min=1, help="How many events of each log.")] = 50_000,
    keep: Annotated[
        Path | None, typer.Option(show_default=False, help="Folder for the demo's lake; .loglake-demo/ without it.")
    ] = None,
) -> None:
    """The whole lake end to end: sample logs to days that are built, checked and reviewed.

    Example: loglake demo --events 20000
    """
    from infra.cli.demo import run_demo

    context.obj.refuse_aws("demo")
    if keep:
        os.environ["LOGLAKE_HOME"] = str(keep)
    raise typer.Exit(run_demo(events, _say))


@app.command()
def up(
    context: Context,
    port: Annotated[str | None, typer.Option(show_default=False, help="Port of Dagster's UI; 3000 without it.")] = None,
) -> None:
    """The lake with Dagster's UI and daemon at 127.0.0.1, until Ctrl-C. With --lake: the UI here, the lake on AWS.

    Example: loglake up --port 3001
    """
    if context.obj.name == LOCAL:
        from infra.cli.local_up import up_local

        raise typer.Exit(up_local(lake_home(), port, _say))
    from infra.cli.up import up_aws

    with context.obj.open() as lake:
        raise typer.Exit(up_aws(lake, port, _say))


@app.command()
def down(context: Context) -> None:
    """Stop what `loglake up`, or a command that was killed, left running.

    Example: loglake down
    """
    from infra.cli.local_up import down as stop

    context.obj.refuse_aws("down")
    raise typer.Exit(stop(lake_home(), _say))


@app.command()
def generate(
    context: Context,
    source: Log,
    folder: Annotated[Path, typer.Argument(show_default=False, help="Where the files go; absent or empty.")],
    events: Annotated[int | None, typer.Option(show_default=False, min=1, help="How many.")] = None,
    days: Annotated[int | None, typer.Option(show_default=False, min=1, help="Of how many days.")] = None,
    first: Annotated[
        str | None, typer.Option("--from", show_default=False, help="The first day, such as 2026-11-01.")
    ] = None,
    faults: Annotated[str, typer.Option(help="Faults among the files, such as corrupt=2,very_late=1.")] = "",
) -> None:
    """Sample logs as files, with the truth about them beside the folder.

    Example: loglake generate cloudtrail logs/ --events 100000 --days 3
    """
    from infra.cli.generate import generate_files

    context.obj.refuse_aws("generate")
    raise typer.Exit(generate_files(source, folder, first, days, events, faults, _say))


@app.command()
def load(
    context: Context,
    source: Log,
    folder: Annotated[Path, typer.Argument(show_default=False, help="Files whose paths below it are object keys.")],
) -> None:
    """Put log files into the log's raw bucket, and wait for their partitions.

    Example: loglake load cloudtrail logs/
    """
    from infra.cli.load import files_of, load_files
    from infra.cli.local_lake import local_lake

    context.obj.refuse_aws("load")
    files = files_of(source, folder)
    with local_lake(lake_home(), _quiet) as lake:
        raise typer.Exit(load_files(lake, files, _say))


@app.command()
def stress(
    context: Context,
    source: Log,
    rate: Annotated[
        float | None, typer.Option(show_default=False, min=0.1, max=10_000, help="Objects a second at first.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(show_default=False, min=1, max=86_400, help="Seconds of each step.")
    ] = None,
    new_prefix_pct: Annotated[
        float | None,
        typer.Option(show_default=False, min=0, max=100, help="Percent of objects that open a new prefix."),
    ] = None,
    up_to: Annotated[
        float | None, typer.Option(show_default=False, min=0.1, max=10_000, help="Objects a second at most.")
    ] = None,
    on: Annotated[Place, typer.Option(help="A stack of its own, or this lake.")] = Place.private,
) -> None:
    """Load to break: objects at a rate that rises, until something gives. Only loss is a failure.

    Example: loglake stress cloudtrail --rate 50 --seconds 30
    """
    from infra.cli.stress.command import stress as run
    from infra.cli.stress.command import stress_settings
    from loglake_assets.sources import load_source

    context.obj.refuse_aws("stress")
    settings = stress_settings(rate, seconds, new_prefix_pct, up_to)
    raise typer.Exit(run(load_source(source), settings, on is Place.lake, _say))


@app.command()
def plan(context: Context, source: Log, days: Days) -> None:
    """What building days would take: objects, bytes, Glue runs, DPU-hours, money, and which days would change.

    Example: loglake plan cloudtrail 2026-01-01..2026-12-31
    """
    from infra.cli.day_argument import days_of
    from infra.cli.plan import print_plan

    with context.obj.open() as lake:
        print_plan(lake, source, *days_of(days), _say)


@app.command()
def build(
    context: Context,
    name: Name,
    days: Days,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Commit although raw objects that were built are gone.")
    ] = False,
) -> None:
    """Build days of a log or a review. On AWS the lake's Dagster does, where its file names one.

    Example: loglake build cloudtrail 2026-11-01..2026-11-07
    """
    from infra.cli.build import build_days
    from infra.cli.day_argument import days_of
    from infra.cli.mend import committed_tables

    first, last = days_of(days)
    committed_tables(name)  # refuses what is neither a log nor a review
    with context.obj.open() as lake:
        raise typer.Exit(build_days(lake, name, first, last, accept_loss, _say))


@app.command()
def deploy(
    context: Context,
    is_plan: Annotated[bool, typer.Option("--plan", help="Show what would change, and change nothing.")] = False,
    is_confirmed: Annotated[bool, typer.Option("--yes", help="Do not ask. For machines.")] = False,
) -> None:
    """Deploy a lake to AWS as its file in lakes/ says: shows what would change, asks, and waits until it stands.

    Example: loglake --lake prod deploy --plan
    """
    from infra.cli.deployment import deploy_aws_lake

    context.obj.refuse_local("deploy")
    with context.obj.open() as lake:
        is_deployed = deploy_aws_lake(lake, is_confirmed, is_plan, _say)
    if is_plan:
        _say("Nothing was changed: --plan only shows.")
    elif not is_deployed:
        _say("Nothing was changed.")
        raise typer.Exit(EXIT_REFUSED)


@app.command()
def doctor(context: Context) -> None:
    """Look at a lake on AWS and say what is wrong with it, with what mends it. Exit code 1 where anything is.

    Example: loglake --lake prod doctor
    """
    from infra.cli.doctor import print_findings

    context.obj.refuse_local("doctor")
    with context.obj.open() as lake:
        is_well = print_findings(lake, _say)
    if not is_well:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def undeploy(
    context: Context,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete logs, tables and evidence too, for good.")
    ] = False,
    is_confirmed: Annotated[bool, typer.Option("--yes", help="Do not ask. For machines.")] = False,
    confirm: Annotated[
        str | None, typer.Option(show_default=False, help="Name of the lake, once more, with --delete-data.")
    ] = None,
) -> None:
    """Take a lake on AWS down. Its buckets and tables stay, and what they cost is said, unless --delete-data is given.

    Example: loglake --lake prod undeploy
    """
    from infra.cli.deployment import take_down

    context.obj.refuse_local("undeploy")
    with context.obj.open() as lake:
        if not take_down(lake, delete_data, is_confirmed, confirm, _say):
            _say("Nothing was deleted.")
            raise typer.Exit(EXIT_REFUSED)


@app.command()
def status(context: Context) -> None:
    """Every log and review by day: objects, partitions, commit, coverage, state, and what mends it.

    Example: loglake status
    """
    from infra.cli.status import print_status

    with context.obj.open() as lake:
        print_status(lake)


@app.command()
def report(
    context: Context,
    open: Annotated[bool, typer.Option("--open", help="Show it in this machine's browser.")] = False,
) -> None:
    """The lake as a page: heat maps of a year, open problems with what mends them, what changed.

    Example: loglake report --open
    """
    from infra.cli.report import make_report, open_report

    with context.obj.open() as lake:
        path = make_report(lake, _say)
    if open:
        open_report(path, _say)


@app.command(name="evidence-pack")
def evidence_pack(
    context: Context,
    source: Log,
    days: Days,
    out: Annotated[Path, typer.Option(help="A folder that is not there yet.")] = Path("evidence-pack"),
    sign: Annotated[
        Path | None, typer.Option("--sign", show_default=False, help="Ed25519 private key in PEM to sign it with.")
    ] = None,
    keys: Keys = None,
) -> None:
    """A folder for an auditor: report, commits, manifests, coverage, digests, questions and answers, and a verifier.

    Digests are validated anew, so every file that they name is read.

    Example: loglake evidence-pack cloudtrail 2026-11-01..2026-11-30 --out november
    """
    from infra.cli.day_argument import days_of
    from loglake_assets.report.evidence_pack import PackRequest, write_pack
    from loglake_assets.sources import load_source

    asked = PackRequest(load_source(source), *days_of(days))
    with context.obj.open() as lake:
        made = write_pack(lake.resource, lake.place, asked, out, sign, _say, keys)
    for sentence in made.sentences:
        _say(sentence)


@app.command()
def views(source: Log, days: Days) -> None:
    """The Spark SQL that makes a log's rows of decoded records (decoded_as_view), to paste into a Spark shell.

    Example: loglake views cloudtrail 2026-11-01..2026-11-07
    """
    from infra.cli.day_argument import days_of
    from loglake_assets.sources import load_source
    from loglake_assets.sources.views import view_statements, window_views

    first, last = days_of(days)
    for name, text in (*window_views(first, last, "preview"), *view_statements(load_source(source))):
        print(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS\n{text.strip()};\n")


@app.command()
def reconcile(context: Context) -> None:
    """Compare storage with the catalog, and give AddAPart again what the catalog misses.

    Example: loglake reconcile
    """
    from infra.cli.reconcile import reconcile_all

    with context.obj.open() as lake:
        raise typer.Exit(EXIT_FAILED if reconcile_all(lake, _say) else 0)


@app.command()
def requeue(context: Context, source: Log, days: Days) -> None:
    """Load what is in quarantine again, and send what AddAPart put aside in any queue, after the cause was mended.

    Messages are those of all layers of the lake; entries are the log's, of the days.

    Example: loglake requeue cloudtrail 2026-11-01..2026-11-07
    """
    from infra.cli.build import print_days
    from infra.cli.day_argument import days_of
    from infra.cli.mend import requeue as again
    from infra.cli.mend import requeue_messages
    from loglake_assets.sources import load_source

    log, (first, last) = load_source(source), days_of(days)
    with context.obj.open() as lake:
        requeue_messages(lake, _say)
        done = again(lake, log, first, last, _say)
        if done.results:
            print_days(lake, log, list(done.results))
    _say(f"{done.before:,} entries were in quarantine, {done.after:,} are.")
    raise typer.Exit(EXIT_FAILED if any(r.error for r in done.results) else 0)


@app.command()
def rollback(
    context: Context,
    name: Name,
    day: Annotated[str, typer.Argument(show_default=False, help="The day, such as 2026-11-01.")],
    run: Annotated[
        str,
        typer.Argument(show_default=False, help="The run that readers are to see again, as `loglake status` names it."),
    ],
) -> None:
    """Send readers of a day back to an older run, until the day is built again.

    Example: loglake rollback cloudtrail 2026-11-01 1a2b3c4d-20261101-20261107-1
    """
    from infra.cli.day_argument import day_of
    from infra.cli.mend import roll_back

    wanted = day_of(day)
    with context.obj.open() as lake:
        roll_back(lake, name, wanted, run, _say)


@app.command()
def collect(
    context: Context,
    keep_days: Annotated[int, typer.Option(min=1, help="Runs that are younger stay.")] = 30,
    keep_generations: Annotated[int, typer.Option(min=1, help="So many newest runs of a day stay.")] = 3,
    apply: Annotated[bool, typer.Option("--apply", help="Delete them; without it they are named only.")] = False,
) -> None:
    """Name old runs that nobody needs, or with --apply delete them.

    Example: loglake collect --keep-days 60 --apply
    """
    from infra.cli.mend import collect_old_runs
    from loglake_assets.lake.versions.retention import RetentionRule

    with context.obj.open() as lake:
        failed = collect_old_runs(lake, RetentionRule(keep_days, keep_generations), apply, _say)
    raise typer.Exit(EXIT_FAILED if failed else 0)


@app.command()
def evidence(
    context: Context,
    event_id: Annotated[str, typer.Argument(show_default=False, help="Id of the event, as its row has it.")],
    source: Annotated[
        str | None, typer.Option(show_default=False, help="The log; without it every log is looked through.")
    ] = None,
    day: Annotated[str | None, typer.Option(show_default=False, help="The day, which makes it quick.")] = None,
    keys: Keys = None,
    format: Annotated[EvidenceFormat, typer.Option(help="For people or for programs.")] = EvidenceFormat.table,
) -> None:
    """A row and all that stands behind it: raw object, manifest, commit, files, digests.

    Example: loglake evidence 0f2c5e1a-... --day 2026-11-01
    """
    from infra.cli.day_argument import day_of
    from infra.cli.evidence import event_evidence, print_evidence

    of_day = day_of(day) if day else None
    with context.obj.open() as lake:
        found = event_evidence(lake, event_id, source, of_day, keys)
        print_evidence(found, format.value)
    raise typer.Exit(0 if found and all(one.agrees for one in found) else EXIT_FAILED)


@app.command()
def digests(context: Context, source: Log, days: Days, keys: Keys = None) -> None:
    """Check a log's stored files against its own signed digests.

    Example: loglake digests cloudtrail 2026-11-01..2026-11-07
    """
    from infra.cli.day_argument import days_of
    from infra.cli.digests import print_digests, validate_days
    from loglake_assets.sources import load_source

    log, (first, last) = load_source(source), days_of(days)
    with context.obj.open() as lake:
        reports = validate_days(lake, log, first, last, keys, _say)
        print_digests(log, reports)
    raise typer.Exit(EXIT_FAILED if any(report.findings for report in reports) else 0)


@app.command()
def review(
    context: Context,
    out: Annotated[Path, typer.Option(help="Folder for the pages; absent or empty.")],
    session: Annotated[str | None, typer.Option(show_default=False, help="One session, by its id.")] = None,
    who: Annotated[
        str | None, typer.Option(show_default=False, help="All sessions of a person; * for everybody's.")
    ] = None,
    days: Annotated[str | None, typer.Option(show_default=False, help="With --who: 2026-11-01..2026-11-07.")] = None,
    reviewer: Annotated[
        str | None, typer.Option(show_default=False, help="Who reads, and sees what is theirs to review.")
    ] = None,
    reviewers: Reviewers = None,
    unmask: Annotated[bool, typer.Option("--unmask", help="Show what looks like a secret.")] = False,
) -> None:
    """Sessions as pages to read: keystrokes beside the API calls of the same session.

    Example: loglake review --who ann --days 2026-11-01..2026-11-07 --out pages/
    """
    from infra.cli.day_argument import days_of
    from infra.cli.review import WhichSessions, write_review
    from loglake_assets.reviews.session_activity.reviewer_scope import find_reviewer
    from loglake_assets.sources.words import tally

    if bool(session) == bool(who) or bool(who) != bool(days):
        raise UsageError("Give --session with an id, or --who with a person and --days with a range of days.")
    span = days_of(days) if days else None
    wanted = WhichSessions(session, who, *span) if span else WhichSessions(session)
    who_reads = None if reviewer is None else find_reviewer(reviewer, reviewers)
    with context.obj.open() as lake:
        written = write_review(lake, wanted, who_reads, out, _say, not unmask)
    _say(f"{tally(len(written), 'file')} in {out}; begin with {written[-1]}")


@app.command()
def verdicts(
    context: Context,
    days: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help="2026-11-01..2026-11-07; without it the last 35 days, and what any day before them still owes.",
        ),
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(show_default=False, help="Only the sessions that are this reviewer's to see.")
    ] = None,
    reviewers: Reviewers = None,
    all: Annotated[bool, typer.Option("--all", help="Those too that have a verdict or are not due.")] = False,
    format: Annotated[EvidenceFormat, typer.Option(help="For people or for programs.")] = EvidenceFormat.table,
) -> None:
    """Sessions that await a verdict, and until when one is due.

    Example: loglake verdicts --reviewer dana
    """
    from infra.cli.day_argument import days_of
    from infra.cli.verdicts import print_reviews
    from loglake_assets.reviews.session_activity.reviewer_scope import days_to_review, find_reviewer

    span = days_of(days) if days else None
    who = None if reviewer is None else find_reviewer(reviewer, reviewers)
    with context.obj.open() as lake:
        print_reviews(lake, span, days_to_review(reviewers), who, all, format.value, _say, reviewers)


@app.command()
def verdict(
    context: Context,
    reviewer: Annotated[str, typer.Option(show_default=False, help="Whose verdict it is, as reviewers.toml has them.")],
    session: Annotated[str | None, typer.Argument(show_default=False, help="A session's key or id.")] = None,
    verdict: Annotated[
        str | None, typer.Argument(show_default=False, help="appropriate, not_appropriate or needs_follow_up.")
    ] = None,
    note: Annotated[str, typer.Option(help="Why; needed unless the session was appropriate.")] = "",
    packets: Annotated[
        Path | None, typer.Option(show_default=False, help="Folder of packets whose JSON files hold the verdicts.")
    ] = None,
    reviewers: Reviewers = None,
) -> None:
    """Record a reviewer's verdict on a session. It is never changed; a later one stands beside it and counts.

    Example: loglake verdict 0123456789abcdef0 appropriate --reviewer dana
    """
    from infra.cli.verdicts import VerdictRequest, record_verdicts, verdicts_in
    from loglake_assets.reviews.session_activity.reviewer_scope import find_reviewer

    if bool(packets) == bool(session and verdict) or bool(session) != bool(verdict):
        raise UsageError("Give a session and a verdict, or --packets with a folder.")
    if packets and note:
        raise UsageError("--note is for one session. In packets each JSON file has its own note.")
    who = find_reviewer(reviewer, reviewers)
    asked = verdicts_in(packets, who.name) if packets else [VerdictRequest(str(session), str(verdict), note)]
    with context.obj.open() as lake:
        record_verdicts(lake, asked, who, _say)


@app.command()
def query(
    context: Context,
    sql: Annotated[
        str | None, typer.Argument(show_default=False, help="One statement; - reads it from standard input.")
    ] = None,
    file: Annotated[Path | None, typer.Option(show_default=False, help="Read the statement from a file.")] = None,
    format: Annotated[Format, typer.Option(help="A table for people; the others for programs.")] = Format.table,
) -> None:
    """Ask the lake through Athena. What it reads of days that are not whole is said under the result.

    Example: loglake query "select eventname, count(*) from from_cloudtrail_readready group by 1" --format csv
    """
    from infra.cli.command_lake import warn
    from infra.cli.day_range import warn_of_days
    from infra.cli.query import ask, print_answer, statement

    text = statement(sql, file)
    with context.obj.open() as lake:
        print_answer(ask(lake, text), format.value)
        warn_of_days(lake, text, _say if format is Format.table else warn)


@app.command()
def questions(
    context: Context,
    words: Annotated[
        list[str] | None, typer.Argument(show_default=False, help="Only those with all these words.")
    ] = None,
    page: Annotated[bool, typer.Option("--page", help="As a page of the documentation.")] = False,
    answers: Annotated[
        str | None, typer.Option(show_default=False, help="A page of the first rows of each over days of this lake.")
    ] = None,
) -> None:
    """Questions that are ready to be asked, with who asks them and why; words search.

    Example: loglake questions mfa
    """
    from infra.cli.day_argument import days_of
    from infra.cli.questions import answers_page, list_questions, questions_page

    if answers:
        first, last = days_of(answers)
        with context.obj.open() as lake:
            print("\n".join(answers_page(lake, first, last)), end="")
    elif page:
        print(questions_page(), end="")
    elif not list_questions(words or [], _say):
        raise typer.Exit(1)


@app.command()
def tables(
    words: Annotated[list[str] | None, typer.Argument(show_default=False, help="Columns with all these words.")] = None,
    page: Annotated[bool, typer.Option("--page", help="As a page of the documentation.")] = False,
) -> None:
    """The tables that can be asked, and what their columns are; words search columns.

    Example: loglake tables source identity
    """
    from infra.cli.tables import list_tables, tables_page

    if page:
        print(tables_page(), end="")
    elif not list_tables(words or [], _say):
        raise typer.Exit(1)


@app.command(name="ask-sql")
def ask_sql(
    context: Context,
    name: Annotated[str, typer.Argument(show_default=False, help="Name of the question: `loglake questions`.")],
    days: Annotated[
        str | None, typer.Option(show_default=False, help="Its days: 2026-11-01, or 2026-11-01..2026-11-07.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", show_default=False, help="Its first day, with --to.")] = None,
    last: Annotated[str | None, typer.Option("--to", show_default=False, help="Its last day, with --from.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", show_default=False, help="What it takes, as name=value; may be repeated."),
    ] = None,
    format: Annotated[Format, typer.Option(help="A table for people; the others for programs.")] = Format.table,
) -> None:
    """Ask one of the questions over some days. Which of these are not whole is said under the answer.

    Example: loglake ask-sql root_use --days 2026-11-01..2026-11-07
    """
    from infra.cli.day_argument import parse_days
    from infra.cli.questions import ask_question, values_of

    asked, given = parse_days(days, first, last), values_of(values or [])
    with context.obj.open() as lake:
        ask_question(lake, name, asked, given, format.value, _say)


@app.command()
def mcp(
    context: Context,
    port: Annotated[
        int | None, typer.Option(show_default=False, min=1, max=65_535, help="On 127.0.0.1, with a token, not stdio.")
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(show_default=False, help="Only the sessions that are this reviewer's to see.")
    ] = None,
    reviewers: Reviewers = None,
) -> None:
    """A server of the Model Context Protocol: an agent asks questions, SQL, sessions, tool calls. Read-only.

    Example: loglake mcp
    """
    from infra.cli.command_lake import warn
    from infra.cli.mcp_server import serve
    from loglake_assets.reviews.session_activity.reviewer_scope import find_reviewer

    who = None if reviewer is None else find_reviewer(reviewer, reviewers)
    with context.obj.open() as lake:
        serve(lake, who, port, warn)


@app.command()
def ask(
    context: Context,
    question: Annotated[str, typer.Argument(show_default=False, help="In plain language.")],
    reviewer: Annotated[
        str | None, typer.Option(show_default=False, help="Only the sessions that are this reviewer's to see.")
    ] = None,
) -> None:
    """Ask Log Lake Looker. BEDROCK_MODEL_ID names the model that the local lake asks.

    Example: loglake ask "which tools did agents use?"
    """
    from infra.cli.ask import print_looker_answer

    _, looker = _looker(context.obj.name == LOCAL, _say)
    with context.obj.open() as lake:
        answer = looker(lake, question, reviewer)
    print_looker_answer(answer, _say)
    raise typer.Exit(EXIT_FAILED if answer["stopped_by"] else 0)


@app.command(name="measure-looker")
def measure_looker(
    context: Context,
    days: Annotated[str, typer.Option(show_default=False, help="Built days: 2026-11-01, or 2026-11-01..2026-11-07.")],
    format: Annotated[EvidenceFormat, typer.Option(help="For people or for programs.")] = EvidenceFormat.table,
) -> None:
    """How well a model answers 40 questions, by its rows. On the local lake BEDROCK_MODEL_ID names the model.

    Example: loglake measure-looker --days 2026-11-01..2026-11-03
    """
    from infra.cli.command_lake import warn
    from infra.cli.day_argument import days_of
    from infra.cli.looker_measure import measure, measure_questions, print_results

    first, last = days_of(days)
    model, looker = _looker(context.obj.name == LOCAL, _quiet)
    if model is None:
        raise UsageError("No model is named: set BEDROCK_MODEL_ID. The scripted stand-in has nothing to be measured.")
    with context.obj.open() as lake:
        found = list(measure(lake, lambda words: looker(lake, words, None), first, last, measure_questions(), warn))
    print_results(found, model, format.value, _say)


def _looker(
    is_local: bool, say: Callable[[str], None]
) -> tuple[str | None, Callable[["CommandLake", str, str | None], dict[str, Any]]]:
    """What to call the model, None for the stand-in, and what asks it a question on a lake for a reviewer or nobody."""
    if not is_local:
        from infra.cli.ask import invoke_looker

        return "the model of the lake's function", invoke_looker
    from infra.cli.local_ask import ask_locally, model_access

    access = model_access()  # with the caller's own credentials, before the lake puts its own there
    name = access.model_id if access else None
    return name, lambda lake, words, who: ask_locally(lake, words, access, say, reviewer=who)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what cannot be done is one clear sentence and a non-zero exit."""
    import logging
    import warnings

    from infra.cli.signals import stop_on_signals

    if arguments is None:
        stop_on_signals()
        for stream in (sys.stdout, sys.stderr):  # a terminal of another encoding shows what it lacks by its number
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else arguments
    warnings.simplefilter("ignore")  # of libraries: a person at a terminal can do nothing about them; tests see them
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of statements that are no SELECT, such as SHOW
    with own_environment():  # the options name the lake there, for whoever says afterwards what became of it
        return _exit_code(given)


def _exit_code(given: Sequence[str]) -> int:
    """Run the command and print what stopped it, if anything did."""
    from infra.cli.signals import StoppedError

    command = next((word for word in given if word in _commands()), "loglake")
    try:
        code = app(list(given), prog_name="loglake", standalone_mode=False) or 0
    except (KeyboardInterrupt, click.Abort):
        code = EXIT_INTERRUPTED
    except SystemExit as end:
        if not isinstance(sys.stdout, click.utils.PacifyFlushWrapper):  # what typer does where nobody reads any more
            raise end
        code = 0
    except StoppedError as stop:
        print(f"{command}: {stop}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return EXIT_REFUSED
    except BrokenPipeError:  # whoever read, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("LOGLAKE_TRACEBACK"):
            raise
        from infra.cli.failures import sentence

        lake = os.environ.get(_LAKE, LOCAL)
        print(f"{command}: {sentence(error, lake_home() if lake == LOCAL else aws_home(lake))}", file=sys.stderr)
        return EXIT_REFUSED
    if code == EXIT_INTERRUPTED:  # typer's word for KeyboardInterrupt
        print(f"{command}: stopped. What it had started was stopped too.", file=sys.stderr)
    elif code:
        _warn_of_a_full_disk()
    return int(code)


def _commands() -> set[str]:
    return {one.name or one.callback.__name__ for one in app.registered_commands if one.callback}


def _warn_of_a_full_disk() -> None:
    """A command that failed on a full disk may say so in other words: of what it waited for in vain."""
    if "infra.cli.local_lake" not in sys.modules:  # a lake on AWS writes nothing to this disk
        return
    from infra.cli.command_lake import warn
    from infra.emulator.disk_reserve import RESERVE_BYTES, free_bytes

    home = lake_home()
    if home.exists() and (free := free_bytes(home)) < RESERVE_BYTES:
        warn(f"The disk of {home} has {free / 1e6:,.0f} MB free, which may be the cause. Free some, then try again.")


def _say(text: str) -> None:
    print(text, flush=True)


def _quiet(text: str) -> None:
    """Deployment tells of every stack; a command on a deployed lake need not."""


if __name__ == "__main__":
    sys.exit(main())
