"""Where things lie: keys of the lake's buckets, raw objects by day, partitions of the catalog."""
