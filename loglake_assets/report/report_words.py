"""The report's words for people who know neither the checks nor the code: of what is open, of days, of sessions."""

from collections.abc import Mapping

from loglake_assets.lake.checks.coverage import Measure
from loglake_assets.lake.checks.day_report import Choice, Finding, Verdict
from loglake_assets.lake.versions.served_day import Placing

FINDINGS: Mapping[Finding, str] = {
    Verdict.QUARANTINED: "objects in quarantine",
    Verdict.EXCLUDED: "kept out by a rule",
    Verdict.UNREGISTERED: "objects that the catalog does not know",
    Verdict.UNBUILT: "delivered, and not built into the table",
    Verdict.LATE: "came late, and not built into the table",
    Verdict.OLDER_VERSION: "objects overwritten since they were built",
    Verdict.GONE: "objects gone since they were built",
    Verdict.SHORT: "files of the table absent or changed",
    Verdict.ALTERED: "records of the day do not agree",
    Verdict.UNREADABLE_RECORD: "a record of the day cannot be read",
    Verdict.OUTDATED: "built by other rules, columns or code",
    Placing.PARTITION_MISSING: "built, and hidden from readers",
    Placing.PARTITION_BEHIND: "readers see an older build",
    Placing.LOCATION_DIFFERS: "readers are sent to another place",
    Placing.COMMIT_BROKEN: "the record of the build cannot be read",
    Placing.COMMIT_EDITED: "the record of the build was edited",
    Placing.COMMIT_MISSING: "the record of the build is gone",
    Choice.ROLLED_BACK: "set back to an older build by a person",
    Measure.UNCHECKED: "not counted again",
    Measure.ALTERED: "files of the table changed",
    Measure.MISSING: "events missing from the table",
    Measure.SURPLUS: "rows that no raw log has",
    Measure.REPEATED: "rows that are there twice",
    Measure.DIFFERING: "copies of an event that differ",
    Measure.SET_ASIDE: "objects gone, overwritten or archived",
    Measure.WITHHELD: "objects that S3 does not give",
    Measure.UNREADABLE: "objects that cannot be read",
    Measure.UNPLACEABLE: "records without a usable time",
}
"""What is open, by the finding that says so."""
_FINDING_WORDS: Mapping[str, str] = {str(finding): words for finding, words in FINDINGS.items()}
_STATE_WORDS: Mapping[str, str] = {
    "unbuilt": "not built",
    "unregistered": "not in the catalog",
    "unplaced": "not shown to readers",
    "rolled_back": "set back by a person",
    "stale": "out of date",
    "raw_gone": "raw objects gone",
    "unchecked": "not counted again",
    "surplus": "rows too many",
    "repeated": "rows twice",
    "differing": "copies that differ",
    "files_altered": "files changed",
}
SESSIONS: Mapping[str, str] = {
    "recorded": "What was typed and what the terminal answered was recorded.",
    "recorded_partly": "A part of the recording is there and a part is not; what happened in that part cannot be seen.",
    "denied": "AWS did not start the session: no terminal was opened, and what is left to judge is the attempt.",
    "not_loggable": "Session Manager never records sessions of this kind, such as port forwarding and SSH.",
    "awaiting": "The session was started and its recording has not arrived yet.",
    "lost": "A recording was due and did not come in the time it may take. This does not show that nothing was done.",
    "orphan": "Keystrokes were recorded, and no record of the session's start was found: who typed is only claimed.",
}
"""What each state says of sessions that are counted and not shown."""


def finding_words(finding: str) -> str:
    """A finding for people."""
    return _FINDING_WORDS.get(finding, finding.replace("_", " "))


def state_words(state: str) -> str:
    """A day's state for people: each of its words."""
    return ", ".join(_STATE_WORDS.get(word, word.replace("_", " ")) for word in state.split(", "))
