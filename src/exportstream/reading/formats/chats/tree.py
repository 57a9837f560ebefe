"""Puts the nodes of a ChatGPT conversation into an order: the branch that is shown, then all others.

Takes: nodes by their keys, and `current_node`. Returns: the keys of nodes. Raises: nothing, whatever links there
are: to unknown nodes, to several roots, in cycles. Holds: the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from exportstream.reading.formats.chats.shapes import Shape
from exportstream.reading.formats.chats.values import kept

NULL = Raw(b"null")
NAMES = (
    *("title", "create_time", "update_time", "moderation_results", "current_node", "plugin_ids", "conversation_id"),
    *("conversation_template_id", "gizmo_id", "gizmo_type", "is_archived", "is_starred", "safe_urls", "blocked_urls"),
    *("default_model_slug", "conversation_origin", "is_read_only", "voice", "async_status", "disabled_tool_ids"),
    *("is_do_not_remember", "memory_scope", "context_scopes", "sugar_item_id", "sugar_item_visible", "pinned_time"),
    *("is_study_mode", "owner", "id"),
)  # of the keys of a conversation, without the mapping
_NODE_KEYS = frozenset({"id", "message", "parent", "children"})

if TYPE_CHECKING:  # msgspec takes bytes; code may hold any value there
    AnyMessage = Any
else:
    AnyMessage = Raw


class Node(Struct, gc=False, forbid_unknown_fields=True):
    """A node of a conversation.

    Attributes:
        id: its key once more, if it is there.
        message: its bytes, or the value that they decode to.
        parent: the key of the node above it.
        children: the keys of the nodes below it.
    """

    id: str | None = None
    message: AnyMessage = NULL
    parent: str | None = None
    children: list[str] | None = None


def shape_of(message: Any, *, passes_over: bool = False) -> Shape:
    """The shape of conversations whose messages are these structs, which have `id`, `author`, `content`, and `recipient`."""
    links = [("parent", str | None, None), ("children", list[str] | None, None)]
    fields = [("id", str | None, None), ("message", message | None, None), *links]
    node: Any = msgspec.defstruct("Node", fields, gc=False, forbid_unknown_fields=True)
    return Shape("mapping", NAMES, dict[str, node], dict[str, Node], message | None, passes_over=passes_over)


def are_linked(nodes: dict[str, Any]) -> bool:
    """Whether all links of nodes lead to others, and their ids are their keys."""
    for key, node in nodes.items():
        if node.id != key and node.id is not None:
            return False
        if node.parent is not None and node.parent not in nodes:
            return False
        for child in node.children or ():
            if child not in nodes:
                return False
    return True


def as_node(value: Any) -> Node:
    """Make a node of a JSON value: without links of another type; a value that is no object is taken as its message."""
    if type(value) is not dict:
        return Node(message=value)
    parent, children = value.get("parent"), value.get("children")
    return Node(
        message=value.get("message"),
        parent=parent if type(parent) is str else None,
        children=[child for child in children if type(child) is str] if type(children) is list else None,
    )


def more_of(key: str, value: Any, nodes: Container[str]) -> dict[str, Any]:
    """What a JSON value says of its node that has no column: other keys, another id, and links that lead to no node."""
    if type(value) is not dict:
        return {}
    more = kept(value, _NODE_KEYS)
    if value.get("id") not in (None, key):
        more["id"] = value["id"]
    if (parent := value.get("parent")) is not None and not _is_in(nodes, parent):
        more["parent"] = parent
    if children := value.get("children"):
        others = [child for child in children if not _is_in(nodes, child)] if type(children) is list else children
        if others:
            more["children"] = others
    return more


def _is_in(nodes: Container[str], key: Any) -> bool:
    return type(key) is str and key in nodes


def is_empty(value: Any) -> bool:
    """Whether a JSON value is a node without a message, and not just the root of a tree."""
    return value is None or (type(value) is dict and value.get("message") is None and value.get("parent") is not None)


class Tree:
    """The nodes of a conversation.

    Args:
        nodes: by their keys.
        current: the key of the last node that is shown.

    Attributes:
        shown: the keys of the nodes that are shown, from the first on; empty if that is not known.
        parents: the key of the node above each node, None for roots and where there is no such node.
        rows: the id of the nearest message from a node on upwards, as far as it is known.
    """

    def __init__(self, nodes: dict[str, Node], current: Any) -> None:
        self._nodes = nodes
        self.parents: dict[str, str | None] = {
            key: parent if (parent := node.parent) is not None and parent in nodes else None for key, node in nodes.items()
        }
        self.rows: dict[str | None, str | None] = {None: None}
        shown: dict[str, None] = {}
        key: str | None = current if type(current) is str and current in nodes else None
        while key is not None and key not in shown:
            shown[key] = None
            key = self.parents[key]
        self.shown = dict.fromkeys(reversed(shown))

    def __iter__(self) -> Iterator[str]:
        yield from self.shown
        if len(self.shown) == len(self._nodes):
            return
        nodes, shown = self._nodes, self.shown
        seen: set[str] = set()
        roots = [key for key, parent in self.parents.items() if parent is None]
        for begin in (*roots, *nodes):  # first from the roots down, then what no root leads to
            pending = [] if begin in seen else [begin]
            while pending:
                key = pending.pop()
                while key in nodes and key not in seen:
                    seen.add(key)
                    if key not in shown:
                        yield key
                    if not (below := nodes[key].children):
                        break
                    if len(below) > 1:
                        pending += below[:0:-1]
                    key = below[0]

    def children(self, key: str) -> list[str]:
        """The nodes below a node, those that are there."""
        return [child for child in self._nodes[key].children or () if child in self._nodes]

    def row_above(self, key: str, id_of: Callable[[str], str | None]) -> str | None:
        """The id of the message that a node follows; nodes without a message are passed over.

        Args:
            key: of the node.
            id_of: returns the id of the message of a node, None if it has none.
        """
        path: list[str] = []
        above = self.parents[key]
        while above not in self.rows:
            assert above is not None
            path.append(above)
            self.rows[above] = row = id_of(above)
            if row is not None:
                break
            above = self.parents[above]
        row = self.rows[above]
        self.rows.update(dict.fromkeys(path, row))
        return row
