"""Everything that Dagster sees: assets, checks, jobs, schedules, sensors, components."""
