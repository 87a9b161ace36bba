"""The lake as stored in S3: key layout, commits, manifests, late ledger, coverage. No Dagster here."""
