"""Whether a day is as it must be: listings, recount, coverage, evidence. No Dagster here."""
