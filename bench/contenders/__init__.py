"""The contenders, a module each: `python -m bench.contenders.<name> VOLUME OUT [needle]`, run as a child process.

A contender reads the objects of VOLUME, keeps all events or the needles, and writes columnar files below OUT/rows. What
it shares with the others is its columns (columns.py), and nothing else: each is written as its own documentation does.
"""
