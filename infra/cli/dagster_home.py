"""The folder in which Dagster keeps what it records of the runs of commands."""

import json
from pathlib import Path


def write_dagster_home(folder: Path) -> None:
    """The instance configuration of the local Dagster, as infra/cli/dagster.yaml says."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (Path(__file__).parent / "dagster.yaml").read_text(encoding="utf-8")
    runs = json.dumps(f"{folder}/history/runs/", ensure_ascii=False)  # a text of JSON is one of YAML, whatever is in it
    wanted = wanted.replace('"DAGSTER_HOME/history/runs/"', runs)
    target = folder / "dagster.yaml"
    if not target.exists() or target.read_text(encoding="utf-8") != wanted:
        target.write_text(wanted, encoding="utf-8")
