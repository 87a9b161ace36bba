"""A folder for an auditor: what the lake holds of some days, with everything that proves it, and how to check that.

Records stand in it byte for byte as they are stored. `verify.py`, which needs nothing but Python, checks every file's
SHA-256, the chain of commits of each day, that the newest commit names its manifest, and that the counts agree.
"""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from loglake_assets.lake.digest_audit import DIGESTS, report_document, validate_digests
from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import check_key, commits_prefix, coverage_key, manifest_key
from loglake_assets.lake.versions.commits import head
from loglake_assets.questions import Question, questions
from loglake_assets.report.figures import digest_day, lake_figures
from loglake_assets.report.page import report_page
from loglake_assets.reviews.page_text import notation
from loglake_assets.s3.objects import object_if_any
from loglake_assets.s3.pages import keys
from loglake_assets.sources import LogSource
from loglake_assets.sources.calendar_days import (
    day_from_number,
    day_number,
    days_argument,
    days_between,
    days_text,
    runs_of_days,
)
from loglake_assets.sources.digest_report import DigestReport, PublicKeysError
from resources.settings import loglake

SUMS, SIGNATURE, VERIFIER = "SHA256SUMS", "SHA256SUMS.sig", "verify.py"
LONGEST_DAYS = 366
MOST_ROWS = 100_000
"""Rows of one answer; one that has more is cut there and said to be."""
_README = """Evidence of {title}, {first} to {last} (UTC days), of the Log Lake {lake} ({place}), made {made_at}.

report.html      how whole the lake is over the year to the last of these days, and what they ask for, as a page; it
                 loads nothing and runs no program
days/<day>/      commits/: every commit record of the day, as stored; each names the SHA-256 of the one before it
                 manifest.json.gz: what the newest commit's run read, object by object, and wrote; the commit names
                 its SHA-256
                 coverage.json: what counting the raw objects again found, with every missing name
{digests}
questions/       questions (.sql, as they were asked) and their answers (.csv) over these days; an answer holds
                 {most:,} rows at most, and one that has more is named below
pack.json        what was asked for, which days have what, the rows of each answer, and what is not here
SHA256SUMS       of every other file; `sha256sum -c SHA256SUMS` or `python3 verify.py` checks them
{signature}
A day without a commit was not built; a day without coverage.json was not counted again. Neither is called complete.

{gaps}
"""
_VALIDATED = """                 digests.json: what the log's own signed digests prove of the objects delivered
                 that day, validated when this pack was made"""
_KEPT = """                 digests.json: what the log's own signed digests prove of the objects delivered
                 that day, as an earlier audit kept it; where it is not there, no audit was made"""
_NO_DIGESTS = "                 no digests.json: this log is delivered without digests"
_SIGNED = """SHA256SUMS.sig   Ed25519 signature of SHA256SUMS:
                 openssl pkeyutl -verify -pubin -inkey <public key> -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig
"""


class PackError(RuntimeError):
    """The pack cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class PackRequest:
    """What a pack is of: a log and its UTC days, both included."""

    source: LogSource
    first: date
    last: date

    @property
    def days(self) -> list[date]:
        return days_between(self.first, self.last)


@dataclass(frozen=True)
class PackAnswer:
    """The answer of one question: how many of its rows are in the pack, and whether it has more."""

    rows: int
    is_cut: bool


@dataclass(frozen=True)
class Pack:
    """What a pack holds. `days` are the files of each day; `digests` are None where they were not validated."""

    asked: PackRequest
    folder: Path
    days: Mapping[date, Sequence[str]]
    answers: Mapping[str, PackAnswer]
    digests: Mapping[date, DigestReport] | None

    @property
    def gaps(self) -> list[str]:
        """A sentence for each thing that an auditor could take to be here and is not."""
        unbuilt = {day for day, names in self.days.items() if not any(name.startswith("commits/") for name in names)}
        uncounted = {day for day, names in self.days.items() if "coverage.json" not in names} - unbuilt
        return [
            *_day_gaps(unbuilt, "no commit: not built, or nothing was delivered"),
            *_day_gaps(uncounted, "built, and not counted again: nothing says that its events are all there"),
            *([_digests_gap(self.asked, self.days)] if self.digests is None and self.asked.source.digests else []),
            *(
                f"questions/{name}.csv: the first {one.rows:,} rows; there are more. The question over fewer days has "
                "them all"
                for name, one in self.answers.items()
                if one.is_cut
            ),
        ]

    @property
    def sentences(self) -> list[str]:
        """What to tell whoever made it: whole, or what is not here."""
        check = f"check it anywhere with: python3 {self.folder / VERIFIER}"
        if not self.gaps:
            return [f"{self.folder} is whole; {check}"]
        return [
            *(f"NOT HERE: {gap}" for gap in self.gaps),
            f"{self.folder} is made, without what is named above; {check}",
        ]


def write_pack(
    lake: Lake,
    place: str,
    asked: PackRequest,
    folder: Path,
    key_file: Path | None,
    say: Callable[[str], None],
    digest_keys: Path | None = None,
    most_rows: int = MOST_ROWS,
) -> Pack:
    """Write the pack into a new folder. Raises PackError, before anything is written where it can.

    `digest_keys` is a file of the public keys that sign digests; without it they are asked for, as the digests' check
    does.
    """
    key = _signing_key(key_file) if key_file else None
    _refuse(asked, folder)
    now = datetime.now(UTC)
    digests = _validate(lake, asked, now, digest_keys, say)
    folder.mkdir(parents=True)
    _write_report(lake, place, asked, folder, digests or {}, now)
    say("report.html: written")
    found: dict[date, list[str]] = {}
    for number, day in enumerate(asked.days, 1):
        validated = digests.get(day) if digests else None
        own = {"digests.json": report_document(validated, now)} if validated else {}
        found[day] = _write_day(lake, asked.source, day, folder / "days" / day.isoformat(), own)
        say(f"{day}: {', '.join(found[day]) or 'nothing is stored'} ({number} of {len(asked.days)} days)")
    answers = {}
    for name, answered in _write_questions(lake, asked, folder / "questions", most_rows):
        answers[name] = answered
        say(f"questions/{name}: {answered.rows:,} rows{', cut there: it has more' if answered.is_cut else ''}")
    made = Pack(asked, folder, found, answers, digests)
    _write_about(lake, place, made, now, key is not None, most_rows)
    shutil.copy(Path(__file__).with_name("verify_pack.py"), folder / VERIFIER)
    _write_sums(folder, key)
    return made


def _validate(
    lake: Lake, asked: PackRequest, now: datetime, keys: Path | None, say: Callable[[str], None]
) -> dict[date, DigestReport] | None:
    """What the log's digests prove of each day; None where it has none, or where there are no keys, which is said."""
    if asked.source.digests is None:
        return None
    say(f"digests of {len(asked.days)} days: every file that they name is read again")
    try:
        reports = validate_digests(asked.source, lake, asked.days, now, say, keys)
    except PublicKeysError as error:
        say(f"digests were not validated: {error}")
        return None
    findings = sum(len(report.findings) for report in reports)
    say(f"digests of {len(asked.days)} days: validated, {findings:,} findings")
    return {day_from_number(report.day): report for report in reports}


def _day_gaps(days: Collection[date], said: str) -> Iterator[str]:
    """A sentence for each run of days of which something is not here."""
    for run in runs_of_days(days):
        yield f"{days_text(run)}: {said}"


def _digests_gap(asked: PackRequest, days: Mapping[date, Sequence[str]]) -> str:
    """Why the digests were not validated, without a word of this machine, and what to do."""
    kept = sum("digests.json" in names for names in days.values())
    command = loglake(f"digests {asked.source.name} {days_argument(asked.first, asked.last)}")
    return (
        "digests.json as of now: the log's digests were not validated for this pack, as no public keys could "
        f"be had; of {kept} of {len(days)} days an earlier audit kept its result, which is here. "
        f"`{command}` says which keys are wanted; name a file of them with --keys or LOGLAKE_DIGEST_KEYS, and make the "
        "pack again"
    )


def _write_report(
    lake: Lake, place: str, asked: PackRequest, folder: Path, digests: Mapping[date, DigestReport], now: datetime
) -> None:
    """The report of the pack's days, compared with storage now, which says of digests what was found just now."""
    figures = lake_figures(lake, place, now, (asked.first, asked.last))
    fresh = [digest_day(day, report.document()) for day, report in digests.items()]
    logs = tuple(log.with_digests(fresh) if log.name == asked.source.name else log for log in figures.logs)
    page = report_page(replace(figures, logs=logs))
    (folder / "report.html").write_text(page, encoding="utf-8")


def _refuse(asked: PackRequest, folder: Path) -> None:
    if asked.last < asked.first:
        raise PackError(
            f"The first day, {asked.first}, is after the last, {asked.last}. Nothing was written. Swap them."
        )
    if len(asked.days) > LONGEST_DAYS:
        raise PackError(
            f"{asked.first} to {asked.last} are {len(asked.days):,} days; a pack holds {LONGEST_DAYS} at most. Nothing "
            "was written. Make one a year."
        )
    if folder.exists():
        raise PackError(f"{folder} is there already. Nothing was written. Name a folder that is not, or move it away.")


def _signing_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise PackError(
            f"{path} cannot be read as a private key in PEM without a password ({type(error).__name__}). Nothing was "
            "written. `openssl genpkey -algorithm ed25519 -out key.pem` makes one."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise PackError(
            f"{path} is no Ed25519 key. Nothing was written. `openssl genpkey -algorithm ed25519` makes one."
        )
    return key


def _write_day(lake: Lake, source: LogSource, day: date, folder: Path, own: Mapping[str, bytes]) -> list[str]:
    """Write what is stored of a day, as it is stored, but for its `own` files; returns what there was."""
    table, number = lake.table(source.readready.name), day_number(day)
    found = []
    stored = {
        f"commits/{key.rpartition('/')[2]}": key
        for key in keys(lake.s3, table.bucket, commits_prefix(table.name, number))
    }
    newest = head(table, number)
    if newest:
        stored["manifest.json.gz"] = manifest_key(table.name, number, newest.run_id)
    stored["coverage.json"] = coverage_key(table.name, number)
    stored["digests.json"] = check_key(source.raw.name, number, DIGESTS)
    for name, key in stored.items():
        body = own[name] if name in own else object_if_any(lake.s3, table.bucket, key)
        if body is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(body)
            found.append(name)
    return found


def _write_questions(lake: Lake, asked: PackRequest, folder: Path, most: int) -> Iterator[tuple[str, PackAnswer]]:
    """Ask the log's questions of compliance and security over the days, up to `most` rows and not to their own end."""
    folder.mkdir()
    for one in questions():
        if one.subject != asked.source.name or one.asked_by == "operations":
            continue
        yield one.name, _write_answer(lake, asked, one, folder, most)


def _write_answer(lake: Lake, asked: PackRequest, one: Question, folder: Path, most: int) -> PackAnswer:
    """A question, as it was asked, beside its answer. One row more than `most` is asked for, to know of more."""
    sql = one.statement(asked.first, asked.last, most + 1)
    answer = lake.athena.ask(sql)
    rows = answer.texts[:most]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows([None if cell is None else _inert(cell) for cell in row] for row in rows)
    (folder / f"{one.name}.sql").write_text(sql, encoding="utf-8")
    (folder / f"{one.name}.csv").write_text(text.getvalue(), encoding="utf-8")
    return PackAnswer(len(rows), len(answer.texts) > most)


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula and no terminal for a command."""
    shown = notation(cell)
    return f"'{shown}" if shown[:1] in ("=", "+", "-", "@") else shown


def _write_about(lake: Lake, place: str, made: Pack, now: datetime, is_signed: bool, most_rows: int) -> None:
    """What the pack is of and what it has not, for programs and for people."""
    asked = made.asked
    about: dict[str, Any] = {
        "lake": lake.settings.name,
        "account": lake.settings.account,
        "region": lake.settings.region,
        "log": asked.source.name,
        "first_day": asked.first.isoformat(),
        "last_day": asked.last.isoformat(),
        "made_at": now.isoformat(timespec="seconds"),
        "days": {day.isoformat(): names for day, names in made.days.items()},
        "questions": {name: asdict(one) for name, one in made.answers.items()},
        "digests_validated": made.digests is not None,
        "not_here": made.gaps,
    }
    (made.folder / "pack.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    readme = _README.format(
        title=asked.source.title,
        first=asked.first,
        last=asked.last,
        lake=lake.settings.name,
        place=place,
        made_at=about["made_at"],
        digests=_NO_DIGESTS if asked.source.digests is None else _KEPT if made.digests is None else _VALIDATED,
        most=most_rows,
        signature=_SIGNED if is_signed else "",
        gaps="\n".join(["Not here:", *(f"- {gap}." for gap in made.gaps)] if made.gaps else ["Nothing is left out."]),
    )
    (made.folder / "README.txt").write_text(readme, encoding="utf-8")


def _write_sums(folder: Path, key: Ed25519PrivateKey | None) -> None:
    files: Sequence[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}" for path in files
    ]
    text = ("\n".join(lines) + "\n").encode()
    (folder / SUMS).write_bytes(text)
    if key:
        (folder / SIGNATURE).write_bytes(key.sign(text))
