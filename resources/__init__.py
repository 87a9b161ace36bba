"""Clients and settings that assets are given: the only place that knows where the lake is."""
