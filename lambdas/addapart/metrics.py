"""Counts as CloudWatch embedded metrics: one JSON line on stdout, without a call. Standard library only."""

import json
import time
from collections.abc import Mapping


def emit(layer: str, counts: Mapping[str, int]) -> None:
    """Print the counts of one invocation, such as `{"placed": 3, "ignored:digest": 1}`, under the layer's name."""
    names = sorted(counts)
    print(
        json.dumps(
            {
                "_aws": {
                    "Timestamp": int(time.time() * 1000),
                    "CloudWatchMetrics": [
                        {
                            "Namespace": "LogLake/AddAPart",
                            "Dimensions": [["layer"]],
                            "Metrics": [{"Name": name, "Unit": "Count"} for name in names],
                        }
                    ],
                },
                "layer": layer,
                **{name: counts[name] for name in names},
            }
        )
    )
