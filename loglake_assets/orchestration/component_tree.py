"""One tree of components over the two folders that have any: those of logs, and those of reviews.

Dagster's own tree takes every module below one folder for definitions, the program's own among them. Decided in
docs/decisions/0025-one-component-tree.md.
"""

from typing import Any

import dagster as dg
from dagster.components.core.decl import ComponentDecl, DefsFolderDecl, build_filesystem_component_decl_from_context
from dagster.components.core.defs_module import ComponentPath

FOLDERS = ("sources", "reviews")
"""Below the package: each folder in them is a log or a review, with its `defs.yaml`."""


class LakeComponentTree(dg.ComponentTree):
    """The tree of `loglake_assets`, whose other folders hold no component."""

    def _get_filesystem_decl(self) -> ComponentDecl[Any]:
        """What Dagster takes for the root of the tree; it asks more than once, and wants the same each time."""
        root = ComponentPath.from_path(self.defs_module_path)
        if known := self.state_tracker.get_cache_data(root).component_decl:
            return known
        context = self.decl_load_context.for_component_loc(root)
        children = {}
        for path in (self.defs_module_path / folder for folder in FOLDERS):
            place = context.for_component_loc(ComponentPath.from_path(path))
            if decl := build_filesystem_component_decl_from_context(place):
                children[path] = decl
        made = DefsFolderDecl(context=context, loc=root, children=children, source_tree=None, component_file_model=None)
        self.state_tracker.set_cache_data(root, component_decl=made)
        return made
