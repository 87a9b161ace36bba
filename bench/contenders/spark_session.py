"""The session of the other two Spark jobs: the same master, memory, Java options and shuffle as our job gets here."""

import os
import sys
from typing import TYPE_CHECKING

from infra.emulator.glue_child import DEFAULT_DRIVER_MEMORY, DEFAULT_JAVA_OPTIONS, java_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def spark_session(scratch: str) -> "SparkSession":
    from pyspark.sql import SparkSession

    os.environ["JAVA_HOME"] = java_home(os.environ)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        "spark.driver.memory": os.environ.get("LOGLAKE_SPARK_DRIVER_MEMORY", DEFAULT_DRIVER_MEMORY),
        "spark.driver.extraJavaOptions": os.environ.get("LOGLAKE_SPARK_JAVA_OPTIONS", DEFAULT_JAVA_OPTIONS),
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.caseSensitive": "true",  # inferred keys differ by case alone, which Spark else refuses
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": scratch,
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("bench")
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
