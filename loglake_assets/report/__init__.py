"""The report: how whole the lake is, for people who never open Dagster."""
