"""The folder in which Dagster keeps what it records of the runs of commands."""

from pathlib import Path


def write_dagster_home(folder: Path) -> None:
    """The instance configuration of the local Dagster, as infra/cli/dagster.yaml says."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (Path(__file__).parent / "dagster.yaml").read_text(encoding="utf-8")
    wanted = wanted.replace("DAGSTER_HOME", str(folder))
    target = folder / "dagster.yaml"
    if not target.exists() or target.read_text(encoding="utf-8") != wanted:
        target.write_text(wanted, encoding="utf-8")
