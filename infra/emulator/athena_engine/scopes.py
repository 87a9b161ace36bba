"""What the names in a statement mean: a table or a WITH query, a column of which table, and which columns at all."""

from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True)
class UsedColumns:
    """Which columns a statement can mean: every name in it, or all of them where a star stands."""

    names: frozenset[str]
    everything: bool
    path: bool

    @classmethod
    def by(cls, tree: exp.Expr) -> "UsedColumns":
        names = frozenset(node.name.lower() for node in tree.find_all(exp.Identifier))
        stars = [star for star in tree.find_all(exp.Star) if not isinstance(star.parent, exp.Count)]
        return cls(names, bool(stars), "$path" in names)

    def has(self, name: str) -> bool:
        return self.everything or name in self.names


def hide_path_from_stars(tree: exp.Expr) -> None:
    """`*` never means `$path`, which is a column only for who names it."""
    for star in [s for s in tree.find_all(exp.Star) if not isinstance(s.parent, exp.Count)]:
        star.set("except_", [exp.to_identifier("$path", quoted=True)])


def means_a_with_query(table: exp.Table) -> bool:
    """Whether the name means a WITH query in scope. A query of a WITH sees those before it, not itself."""
    if table.db:
        return False
    node: exp.Expr | None = table
    while node is not None:
        parent = node.parent
        if isinstance(parent, exp.With):
            position = next(i for i, cte in enumerate(parent.expressions) if cte is node)
            visible = parent.expressions[: position + bool(parent.args.get("recursive"))]
        else:
            visible = parent.ctes if isinstance(parent, exp.Query) and not isinstance(node, exp.With) else []
        if any(cte.alias.lower() == table.name.lower() for cte in visible):
            return True
        node = parent
    return False


def drop_database_from_columns(table: exp.Table) -> None:
    """`db.table.column` names the table as written; behind its alias the database is gone."""
    scope = table.find_ancestor(exp.Select)
    for column in list(scope.find_all(exp.Column)) if scope and table.db else []:
        if column.text("db").lower() == table.db.lower() and column.table.lower() == table.name.lower():
            column.set("db", None)
