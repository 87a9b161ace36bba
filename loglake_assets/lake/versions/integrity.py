"""Whether what is stored of a day is what was committed: commit, manifest and files compared, no file opened."""

from typing import TYPE_CHECKING

from loglake_assets.lake.versions.commits import Commit
from loglake_assets.lake.versions.manifests import Manifest
from loglake_assets.s3.pages import files
from loglake_assets.s3.urls import bucket_and_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def differences(commit: Commit, manifest: Manifest) -> list[str]:
    """What a commit record says otherwise than the manifest of its run: names of fields."""
    said = {
        "location": (commit.location, manifest.location),
        "content_hash": (commit.content_hash, manifest.content_hash),
        "rows": (commit.rows, manifest.rows),
        "bytes": (commit.bytes, manifest.bytes),
        "files": (commit.files, len(manifest.files)),
    }
    if commit.manifest_sha256:
        said["manifest"] = (commit.manifest_sha256, manifest.digest)
    named = {file["key"] for file in manifest.files}
    if commit.etags:
        said["etags"] = (named, commit.etags.keys())
    return [name for name, (one, other) in said.items() if one != other]


def altered_files(s3: "S3Client", commit: Commit | None, manifest: Manifest) -> dict[str, str]:
    """What is wrong with the files of a run, by key: absent, of another size or ETag, or not written by it.

    ETags are those of the commit, which were verified; without a commit, sizes are compared alone.
    """
    stored, verified = files(s3, manifest.location), commit.etags if commit else {}
    found = {}
    for entry in manifest.files:
        key = entry["key"]
        size, etag = stored.pop(key, (None, ""))
        if size is None:
            found[key] = "absent"
        elif size != entry["bytes"]:
            found[key] = f"{size} bytes, written as {entry['bytes']} bytes"
        elif etag != verified.get(key, etag):
            found[key] = "another content than was committed"
    return found | dict.fromkeys(stored, "not written by the day's run")


def bucket_of(manifest: Manifest) -> str:
    """The bucket that a run's files lie in."""
    return bucket_and_prefix(manifest.location)[0]
