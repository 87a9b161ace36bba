"""The builds of a day: manifests, commits, which of them readers see, and how long old ones stay."""
