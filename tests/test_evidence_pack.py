"""The pack for an auditor: whole, checked by its own verifier without anything of ours, and every change is found."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from loglake_assets.lake.versions.commits import heads
from loglake_assets.questions import questions
from loglake_assets.report.evidence_pack import Pack, PackError, PackRequest, write_pack
from loglake_assets.sources.calendar_days import day_from_number
from loglake_assets.sources.sample_deliveries import sample_keys
from tests.conftest import FIRST, LAST, BuiltLake, quiet

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "key.pem"
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture(scope="module")
def unbuilt(built: BuiltLake) -> date:
    """The first day after the samples that no test has built."""
    days = {day_from_number(day) for day in heads(built.lake.resource.table(built.source.readready.name))}
    return next(day for n in range(1, 100) if (day := LAST + timedelta(days=n)) not in days)


@pytest.fixture(scope="module")
def whole(built: BuiltLake, unbuilt: date, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """A pack of the sample days and what follows them, until a day that is not built, with the keys of its digests."""
    keys = key.with_name("digest-keys.json")
    keys.write_text(json.dumps(sample_keys(built.source.name)))
    folder = tmp_path_factory.mktemp("packs") / "pack"
    return write_pack(built.lake.resource, "here", PackRequest(built.source, FIRST, unbuilt), folder, key, quiet, keys)


@pytest.fixture(scope="module")
def pack_folder(whole: Pack) -> Path:
    return whole.folder


@pytest.fixture
def pack(pack_folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(pack_folder, tmp_path / "pack")
    return tmp_path / "pack"


def verify(pack: Path) -> tuple[int, str]:
    """The pack's own verifier in a Python that knows nothing of this project."""
    done = subprocess.run([sys.executable, "-I", "-S", pack / "verify.py"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_whole_pack_is_whole_and_says_what_each_day_is(pack: Path, unbuilt: date) -> None:
    code, said = verify(pack)
    assert (code, said.splitlines()[-1]) == (0, "All files are as SHA256SUMS says, and all records agree.")
    for day in (FIRST, LAST):
        assert f"{day}: " in said
    assert f"{FIRST}: 9" in said, "one object of the samples is damaged, so the first day is not complete"
    records = json.loads((pack / "pack.json").read_text())["days"][f"{unbuilt}"]
    assert "manifest.json.gz" not in records, "a day that was not built is not called anything else"
    assert (pack / "questions" / "root_use.csv").read_text().splitlines()[0].startswith("account,")
    report = (pack / "report.html").read_text()
    assert "How whole the logs are" in report
    assert f"to {unbuilt}</h2>" in report, "the report is of the pack's days, not of those when it was made"


def test_its_signature_is_of_its_sums(pack: Path, key: Path) -> None:
    public = load_pem_private_key(key.read_bytes(), None).public_key()
    assert isinstance(public, Ed25519PublicKey)
    signature, sums = (pack / "SHA256SUMS.sig").read_bytes(), (pack / "SHA256SUMS").read_bytes()
    public.verify(signature, sums)
    with pytest.raises(InvalidSignature):
        public.verify(signature, sums + b"0  more\n")
    assert "SHA256SUMS.sig" in (pack / "README.txt").read_text()


def test_answers_do_not_end_where_their_questions_do(whole: Pack, pack: Path) -> None:
    limits = {one.name: one.limit for one in questions() if one.subject == "cloudtrail"}
    longer = {name for name, one in whole.answers.items() if one.rows > (limits[name] or 0)}
    assert longer, "the samples have answers of more rows than people read"
    for name in longer:
        rows = list(csv.reader((pack / "questions" / f"{name}.csv").read_text().splitlines()))
        assert len(rows) - 1 == whole.answers[name].rows
    assert not [one for one in whole.answers.values() if one.is_cut]
    told = json.loads((pack / "pack.json").read_text())["questions"]
    assert told == {name: {"rows": one.rows, "is_cut": False} for name, one in whole.answers.items()}


def test_its_days_digests_are_validated_when_it_is_made(whole: Pack, pack: Path, unbuilt: date) -> None:
    for day in (FIRST, LAST):
        document = json.loads((pack / "days" / f"{day}" / "digests.json").read_text())
        assert (document["digests_valid"], document["findings"]) == (24, [])
        assert document["checked_at"]
    assert whole.digests
    assert "validated" in (pack / "README.txt").read_text()
    assert json.loads((pack / "pack.json").read_text())["digests_validated"] is True
    assert any(str(unbuilt) in gap and "no commit" in gap for gap in whole.gaps)
    assert not [gap for gap in whole.gaps if "digests" in gap or "questions" in gap]


def test_what_is_cut_or_was_not_validated_is_said_wherever_somebody_looks(built: BuiltLake, tmp_path: Path) -> None:
    keys, said = tmp_path / "keys.json", list[str]()
    keys.write_text("{}")
    asked = PackRequest(built.source, FIRST, FIRST)
    made = write_pack(built.lake.resource, "here", asked, tmp_path / "pack", None, said.append, keys, most_rows=2)
    assert len((made.folder / "questions" / "root_use.csv").read_text().splitlines()) == 3
    assert "questions/root_use: 2 rows, cut there: it has more" in said
    assert any(text.startswith("digests were not validated: The file of public keys") for text in said)
    sentences = "\n".join(made.sentences)
    assert "is whole" not in sentences
    _, verified = verify(made.folder)
    for text in (sentences, verified, (made.folder / "README.txt").read_text()):
        assert "questions/root_use.csv: the first 2 rows; there are more" in text
        assert "digests cloudtrail" in text
        assert "name a file of them with --keys" in text
    about = json.loads((made.folder / "pack.json").read_text())
    assert about["questions"]["root_use"] == {"rows": 2, "is_cut": True}
    assert (about["digests_validated"], about["not_here"]) == (False, made.gaps)
    assert str(tmp_path) not in (made.folder / "README.txt").read_text(), "an auditor has no use for a path of ours"


def test_a_pack_without_a_gap_is_called_whole_and_no_other(whole: Pack) -> None:
    none = replace(whole, days={FIRST: ["commits/1.json", "manifest.json.gz", "coverage.json"]})
    assert none.gaps == []
    assert "is whole" in none.sentences[-1]
    uncounted = replace(none, days={FIRST: ["commits/1.json", "manifest.json.gz"]})
    assert "built, and not counted again" in uncounted.sentences[0]
    assert "is whole" not in "".join(uncounted.sentences)


def renew_sums(pack: Path) -> None:
    """What somebody does who changes a file and its line."""
    sums = pack / "SHA256SUMS"
    names = [line.partition("  ")[2] for line in sums.read_text().splitlines()]
    there = [name for name in names if (pack / name).exists()]
    lines = [f"{hashlib.sha256((pack / name).read_bytes()).hexdigest()}  {name}" for name in there]
    sums.write_text("\n".join(lines) + "\n")


def test_what_is_changed_removed_or_added_is_named(pack: Path) -> None:
    (pack / "days" / f"{FIRST}" / "coverage.json").write_text("{}")
    code, said = verify(pack)
    assert code == 1
    assert f"days/{FIRST}/coverage.json: it was changed" in said
    assert f"{FIRST}: not known; WRONG: a record cannot be read (KeyError)" in said
    (pack / "days" / f"{FIRST}" / "coverage.json").unlink()
    (pack / "questions" / "root_use.csv").write_text("account\n")
    (pack / "more.txt").write_text("x")
    code, said = verify(pack)
    assert code == 1
    for words in ("coverage.json: it is not there", "root_use.csv: it was changed", "'more.txt': it is in no line of"):
        assert words in said


FORGED = 'print("All files are as SHA256SUMS says, and all records agree."); raise SystemExit(0)\n'


@pytest.mark.parametrize("name", ["hashlib.py", "gzip/__init__.py", "json.py", "collections/__init__.py", "pathlib.py"])
def test_no_file_of_the_pack_stands_in_for_one_of_pythons(pack: Path, name: str) -> None:
    (pack / name).parent.mkdir(exist_ok=True)
    (pack / name).write_text(FORGED)
    done = subprocess.run([sys.executable, pack / "verify.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "it is in no line of SHA256SUMS" in done.stdout
    assert "records agree" not in done.stdout


def test_nothing_is_added_unseen(pack: Path, tmp_path: Path, unbuilt: date) -> None:
    """Links, folders without files, pipes, and files under whatever name."""
    day, other = pack / "days" / f"{FIRST}", pack / "days" / f"{unbuilt + timedelta(days=1)}"
    shutil.copytree(day, tmp_path / "elsewhere")
    changes: dict[str, Callable[[], object]] = {
        "it is a link": lambda: other.symlink_to(tmp_path / "elsewhere"),
        "it is in no line": lambda: shutil.copytree(day, other.with_name(f"{other.name}__pycache__")),
        "it is a folder of which no line": lambda: (other / "commits").mkdir(parents=True),
        "'pipe': it is in no line": lambda: os.mkfifo(pack / "pipe"),
    }
    for words, change in changes.items():
        fresh = sorted(pack.rglob("*"))
        change()
        code, said = verify(pack)
        assert (code, words in said) == (1, True), said
        assert f"{other.name}: 9" not in said
        for path in sorted(set(pack.rglob("*")) - set(fresh), reverse=True):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
    assert verify(pack)[0] == 0


def test_sums_are_read_as_sha256sum_reads_them(pack: Path) -> None:
    sums, name = pack / "SHA256SUMS", "README.txt"
    before = sums.read_bytes()
    (pack / name).write_text("changed")
    sums.write_bytes(before + f"{hashlib.sha256(b'changed').hexdigest()}  {name}\n".encode())
    code, said = verify(pack)
    assert code == 1
    assert "names a file that an earlier line names" in said
    assert "README.txt: it was changed" in said
    for broken in (b"\xff\xfe", None):
        sums.unlink()
        if broken:
            sums.write_bytes(broken)
        code, said = verify(pack)
        assert code == 1
        assert "SHA256SUMS cannot be read" in said
        assert "Traceback" not in said


def test_records_that_do_not_agree_are_found_also_with_new_sums(pack: Path) -> None:
    day = pack / "days" / f"{FIRST}"
    (newest,) = sorted((day / "commits").glob("*.json"))[-1:]
    record = json.loads(newest.read_text())
    newest.write_text(json.dumps({**record, "rows": record["rows"] + 1}))
    other = pack / "days" / f"{LAST}"
    shutil.copy(day / "manifest.json.gz", other / "manifest.json.gz")
    renew_sums(pack)
    code, said = verify(pack)
    assert code == 1
    assert f"{FIRST}: the commit says {record['rows'] + 1} rows, its manifest {record['rows']}" in said
    assert f"{LAST}: the newest commit names another manifest than the one that is here" in said


def test_a_first_commit_that_was_taken_away_is_missed(pack: Path) -> None:
    commits = pack / "days" / f"{FIRST}" / "commits"
    *_, newest = sorted(commits.glob("*.json"))
    record = json.loads(newest.read_text())
    later = {**record, "seq": record["seq"] + 1, "previous": hashlib.sha256(newest.read_bytes()).hexdigest()}
    (commits / f"{later['seq']:08d}.json").write_text(json.dumps(later))
    assert "names another record before it" not in verify(pack)[1]
    first, second, *_ = sorted(commits.glob("*.json"))
    first.unlink()
    assert f"{second.name} names another record before it than the one that is here" in verify(pack)[1]


def test_what_cannot_be_made_is_refused_before_anything_is_written(built: BuiltLake, key: Path, tmp_path: Path) -> None:
    lake, source, folder = built.lake.resource, built.source, tmp_path / "pack"
    for asked, key_file, said in (
        (PackRequest(source, LAST, FIRST), None, "Swap them"),
        (PackRequest(source, FIRST, FIRST + timedelta(days=400)), None, "366 at most"),
        (PackRequest(source, FIRST, LAST), tmp_path / "none.pem", "FileNotFoundError"),
    ):
        with pytest.raises(PackError, match=said):
            write_pack(lake, "here", asked, folder, key_file, quiet)
    assert not folder.exists()
    with pytest.raises(PackError, match="is there already"):
        write_pack(lake, "here", PackRequest(source, FIRST, LAST), tmp_path, key, quiet)
