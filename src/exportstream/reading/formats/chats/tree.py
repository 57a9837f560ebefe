"""Puts the nodes of a ChatGPT conversation into an order: the branch that is shown, then all others.

Takes: nodes by their keys, and `current_node`. Returns: the keys of nodes. Raises: nothing, whatever links there
are: to unknown nodes, to several roots, in cycles. Holds: the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from exportstream.reading.formats.chats.shapes import Shape
from exportstream.reading.formats.chats.values import kept
from exportstream.reading.json.beyond_msgspec import is_usual

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
    return Shape(
        "mapping",
        NAMES,
        dict[str, node],
        dict[str, Node],
        message | None,
        passes_over=passes_over,
        reads_all=not passes_over,
    )


def are_linked(nodes: dict[str, Any]) -> bool:
    """Whether all links of nodes lead to others, and their ids are their keys."""
    every = nodes.values()
    if [node.id for node in every] != list(nodes):  # usually they are equal, and a list is compared at once
        for key, node in nodes.items():
            if node.id != key and node.id is not None:
                return False
    for node in every:
        if node.parent is not None and node.parent not in nodes:
            return False
        for child in node.children or ():
            if child not in nodes:
                return False
    return True


def has_usual_times(nodes: dict[str, Any]) -> bool:
    """Whether `is_usual` holds for the times in structs, which are bytes: msgspec has passed over nothing else."""
    messages = [message for node in nodes.values() if (message := node.message) is not None]
    if messages and messages[0].__class__ is Raw:  # all are
        return True
    return is_usual(b",".join([message.create_time for message in messages]))


def without_null(nodes: dict[str, Node]) -> None:
    """Make messages None whose bytes are null; all are bytes, or none is."""
    for node in nodes.values():
        if node.message.__class__ is not Raw:
            return
        if node.message == NULL:
            node.message = None


def as_node(value: Any, nodes: Container[str]) -> Node:
    """Make a node of a JSON value: without links to no node; a value that is no object is taken as its message."""
    if type(value) is not dict:
        return Node(message=value)
    parent, children = value.get("parent"), value.get("children")
    return Node(
        message=value.get("message"),
        parent=parent if _is_in(nodes, parent) else None,
        children=[child for child in children if _is_in(nodes, child)] if type(children) is list else None,
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
        nodes: by their keys; all their links lead to nodes.
        current: the key of the last node that is shown.

    Attributes:
        nodes: as they were given.
        shown: the keys of the nodes that are shown, from the first on; empty if that is not known.
        rows: the id of the nearest message from a node on upwards, as far as it is known.
    """

    def __init__(self, nodes: dict[str, Node], current: Any) -> None:
        self.nodes = nodes
        self.rows: dict[str | None, str | None] = {None: None}
        shown: dict[str, None] = {}
        key: str | None = current if type(current) is str and current in nodes else None
        while key is not None and key not in shown:
            shown[key] = None
            key = nodes[key].parent
        self.shown = dict.fromkeys(reversed(shown))

    def order(self) -> list[str]:
        """The keys of all nodes in the order of their rows."""
        nodes, shown = self.nodes, self.shown
        order = list(shown)
        if len(order) == len(nodes):
            return order
        seen: set[str] = set()
        roots = [key for key, node in nodes.items() if node.parent is None]
        for begin in (*roots, *nodes):  # first from the roots down, then what no root leads to
            pending = [begin]
            while pending:
                key = pending.pop()
                while key not in seen:
                    seen.add(key)
                    if key not in shown:
                        order.append(key)
                    if not (below := nodes[key].children):
                        break
                    if len(below) > 1:
                        pending += below[:0:-1]
                    key = below[0]
            if len(order) == len(nodes):
                break
        return order

    def rows_above(self, keys: list[str], id_of: Callable[[str], str | None]) -> list[str | None]:
        """For each of some nodes the id of the message that it follows; nodes are passed over where `id_of` returns None."""
        nodes, rows = self.nodes, self.rows
        try:
            return [rows[nodes[key].parent] for key in keys]
        except KeyError:  # a node above has no message, or its row comes later
            return [self._row_of(nodes[key].parent, id_of) for key in keys]

    def _row_of(self, above: str | None, id_of: Callable[[str], str | None]) -> str | None:
        """The id of the message of a node, or of the nearest one above it that has a message."""
        path: list[str] = []
        while above not in self.rows:
            assert above is not None
            path.append(above)
            self.rows[above] = row = id_of(above)
            if row is not None:
                break
            above = self.nodes[above].parent
        row = self.rows[above]
        self.rows.update(dict.fromkeys(path, row))
        return row
