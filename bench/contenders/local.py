"""Our Glue job's script with the processes of one machine in place of Spark."""

import sys

from bench.contenders.columns import task
from bench.contenders.job import main
from loglake_assets.sources.model import LOCAL

if __name__ == "__main__":
    main(task(sys.argv[1:]), LOCAL)
