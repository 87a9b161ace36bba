"""Log Lake: audit logs as Dagster partitioned assets. Importing this package does nothing."""
