"""A folder for an auditor: what the lake holds of some days, with everything that proves it, and how to check that.

Records stand in it byte for byte as they are stored. `verify.py`, which needs nothing but Python, checks every file's
SHA-256, the chain of commits of each day, that the newest commit names its manifest, and that the counts agree.
"""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from loglake_assets.lake.lake import Lake
from loglake_assets.lake.storage.keys import check_key, commits_prefix, coverage_key, manifest_key
from loglake_assets.lake.versions.commits import head
from loglake_assets.questions import questions
from loglake_assets.report.figures import lake_figures
from loglake_assets.report.page import report_page
from loglake_assets.reviews.page_text import notation
from loglake_assets.s3.objects import object_if_any
from loglake_assets.s3.pages import keys
from loglake_assets.sources import LogSource
from loglake_assets.sources.placement import day_number, days_between

SUMS, SIGNATURE, VERIFIER = "SHA256SUMS", "SHA256SUMS.sig", "verify.py"
LONGEST_DAYS = 366
_README = """Evidence of {title}, {first} to {last} (UTC days), of the Log Lake {lake} ({place}), made {made_at}.

report.html      how whole the lake is, as a page; it loads nothing and runs no program
days/<day>/      commits/: every commit record of the day, as stored; each names the SHA-256 of the one before it
                 manifest.json.gz: what the newest commit's run read, object by object, and wrote; the commit names
                 its SHA-256
                 coverage.json: what counting the raw objects again found, with every missing name
                 digests.json: what the log's own signed digests prove of the objects delivered that day
questions/       questions (.sql) and their answers (.csv) over these days
pack.json        what was asked for, and which days have what
SHA256SUMS       of every other file; `sha256sum -c SHA256SUMS` or `python3 verify.py` checks them
{signature}
A day without a commit was not built; a day without coverage.json was not counted again. Neither is called complete.
"""
_SIGNED = """SHA256SUMS.sig   Ed25519 signature of SHA256SUMS:
                 openssl pkeyutl -verify -pubin -inkey <public key> -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig
"""


class PackError(RuntimeError):
    """The pack cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Asked:
    """What a pack is of: a log and its UTC days, both included."""

    source: LogSource
    first: date
    last: date

    @property
    def days(self) -> list[date]:
        return days_between(self.first, self.last)


def write_pack(
    lake: Lake, place: str, asked: Asked, folder: Path, key_file: Path | None, say: Callable[[str], None]
) -> Path:
    """Write the pack into a new folder and return it. Raises PackError, before anything is written where it can."""
    key = _signing_key(key_file) if key_file else None
    _refuse(asked, folder)
    folder.mkdir(parents=True)
    now = datetime.now(UTC)
    (folder / "report.html").write_text(report_page(lake_figures(lake, place, now)), encoding="utf-8")
    say("report.html: written")
    found = {}
    for number, day in enumerate(asked.days, 1):
        found[day.isoformat()] = _write_day(lake, asked.source, day, folder / "days" / day.isoformat())
        say(f"{day}: {', '.join(found[day.isoformat()]) or 'nothing is stored'} ({number} of {len(asked.days)} days)")
    for name, rows in _write_questions(lake, asked, folder / "questions"):
        say(f"questions/{name}: {rows:,} rows")
    _write_about(lake, place, asked, folder, found, now, key is not None)
    shutil.copy(Path(__file__).with_name("verify_pack.py"), folder / VERIFIER)
    _write_sums(folder, key)
    return folder


def _refuse(asked: Asked, folder: Path) -> None:
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


def _write_day(lake: Lake, source: LogSource, day: date, folder: Path) -> list[str]:
    """Write what is stored of a day, as it is stored; returns what there was."""
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
    stored["digests.json"] = check_key(source.raw.name, number, "digests")
    for name, key in stored.items():
        body = object_if_any(lake.s3, table.bucket, key)
        if body is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(body)
            found.append(name)
    return found


def _write_questions(lake: Lake, asked: Asked, folder: Path) -> Iterator[tuple[str, int]]:
    """Ask the log's questions of compliance and security over the days; yields (name, rows)."""
    folder.mkdir()
    for one in questions():
        if one.subject != asked.source.name or one.asked_by == "operations":
            continue
        sql = one.statement(asked.first, asked.last)
        answer = lake.athena.ask(sql)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([None if cell is None else _inert(cell) for cell in row] for row in answer.texts)
        (folder / f"{one.name}.sql").write_text(sql, encoding="utf-8")
        (folder / f"{one.name}.csv").write_text(text.getvalue(), encoding="utf-8")
        yield one.name, len(answer.texts)


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula and no terminal for a command."""
    shown = notation(cell)
    return f"'{shown}" if shown[:1] in ("=", "+", "-", "@") else shown


def _write_about(
    lake: Lake,
    place: str,
    asked: Asked,
    folder: Path,
    found: dict[str, list[str]],
    now: datetime,
    is_signed: bool,
) -> None:
    about: dict[str, Any] = {
        "lake": lake.settings.name,
        "account": lake.settings.account,
        "region": lake.settings.region,
        "log": asked.source.name,
        "first_day": asked.first.isoformat(),
        "last_day": asked.last.isoformat(),
        "made_at": now.isoformat(timespec="seconds"),
        "days": found,
    }
    (folder / "pack.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    readme = _README.format(
        title=asked.source.title,
        first=asked.first,
        last=asked.last,
        lake=lake.settings.name,
        place=place,
        made_at=about["made_at"],
        signature=_SIGNED if is_signed else "",
    )
    (folder / "README.txt").write_text(readme, encoding="utf-8")


def _write_sums(folder: Path, key: Ed25519PrivateKey | None) -> None:
    files: Sequence[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}" for path in files
    ]
    text = ("\n".join(lines) + "\n").encode()
    (folder / SUMS).write_bytes(text)
    if key:
        (folder / SIGNATURE).write_bytes(key.sign(text))
