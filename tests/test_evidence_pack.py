"""The pack for an auditor: whole, checked by its own verifier without anything of ours, and every change is found."""

import hashlib
import json
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from loglake_assets.lake.versions.commits import heads
from loglake_assets.report.evidence_pack import Asked, PackError, write_pack
from loglake_assets.sources.placement import day_from_number
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
def made(built: BuiltLake, unbuilt: date, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of the sample days and what follows them, until a day that is not built."""
    folder = tmp_path_factory.mktemp("packs") / "pack"
    return write_pack(built.lake.resource, "here", Asked(built.source, FIRST, unbuilt), folder, key, quiet)


@pytest.fixture
def pack(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "pack")
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
    assert "How whole the logs are" in (pack / "report.html").read_text()


def test_its_signature_is_of_its_sums(pack: Path, key: Path) -> None:
    public = load_pem_private_key(key.read_bytes(), None).public_key()
    assert isinstance(public, Ed25519PublicKey)
    signature, sums = (pack / "SHA256SUMS.sig").read_bytes(), (pack / "SHA256SUMS").read_bytes()
    public.verify(signature, sums)
    with pytest.raises(InvalidSignature):
        public.verify(signature, sums + b"0  more\n")
    assert "SHA256SUMS.sig" in (pack / "README.txt").read_text()


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
    for words in ("coverage.json: it is not there", "root_use.csv: it was changed", "more.txt: it is in no line of"):
        assert words in said


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
        (Asked(source, LAST, FIRST), None, "Swap them"),
        (Asked(source, FIRST, FIRST + timedelta(days=400)), None, "366 at most"),
        (Asked(source, FIRST, LAST), tmp_path / "none.pem", "FileNotFoundError"),
    ):
        with pytest.raises(PackError, match=said):
            write_pack(lake, "here", asked, folder, key_file, quiet)
    assert not folder.exists()
    with pytest.raises(PackError, match="is there already"):
        write_pack(lake, "here", Asked(source, FIRST, LAST), tmp_path, key, quiet)
