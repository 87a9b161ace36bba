"""Log Lake Looker: questions in plain language, answered by a model with read-only queries of the lake."""
