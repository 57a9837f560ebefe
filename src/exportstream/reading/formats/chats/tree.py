"""Puts the nodes of a ChatGPT conversation into an order: the branch that is shown, then all others.

Takes: `mapping` and `current_node`. Returns: the keys of nodes. Raises: nothing, whatever links there are: to unknown nodes,
to several roots, in cycles. Holds: the keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Tree:
    """The nodes of a conversation.

    Args:
        nodes: by their keys.
        current: the key of the last node that is shown.

    Attributes:
        shown: the keys of the nodes that are shown, from the first on; empty if that is not known.
    """

    def __init__(self, nodes: dict[str, Any], current: Any) -> None:
        self._nodes = nodes
        self._rows: dict[str, str | None] = {}  # of each node the id of the nearest message from it on upwards
        shown: dict[str, None] = {}
        current = current if self._is_there(current) else None
        while current is not None and current not in shown:
            shown[current] = None
            current = self._parent(current)
        self.shown = dict.fromkeys(reversed(shown))

    def __iter__(self) -> Iterator[str]:
        yield from self.shown
        seen: set[str] = set()
        for begin in (
            *(key for key in self._nodes if self._parent(key) is None),
            *self._nodes,
        ):  # then what no root leads to
            pending = [begin]
            while pending:
                key = pending.pop()
                if key in seen:
                    continue
                seen.add(key)
                if key not in self.shown:
                    yield key
                pending += reversed(self.children(key))

    def children(self, key: str) -> list[str]:
        """The nodes below a node, those that are there."""
        node = self._nodes.get(key)
        children = node.get("children") if type(node) is dict else None
        return [child for child in children if self._is_there(child)] if type(children) is list else []

    def row_above(self, key: str) -> str | None:
        """The id of the message that a node follows; nodes without a message are passed over."""
        path: list[str] = []
        above = self._parent(key)
        row: str | None = None
        while above is not None:
            if above in self._rows:
                row = self._rows[above]
                break
            path.append(above)
            message = message_of(self._nodes[above])
            if message is not None:
                row = id_of(message, above)
                break
            self._rows[above] = None  # ends a cycle
            above = self._parent(above)
        self._rows.update(dict.fromkeys(path, row))
        return row

    def _parent(self, key: str) -> str | None:
        node = self._nodes.get(key) if self._is_there(key) else None
        parent = node.get("parent") if type(node) is dict else None
        return parent if self._is_there(parent) else None

    def _is_there(self, key: Any) -> bool:
        return type(key) is str and key in self._nodes


def message_of(node: Any) -> Any:
    """The message of a node, None if it has none."""
    return node.get("message") if type(node) is dict else node


def id_of(message: Any, key: str) -> str:
    """The id of a message, or else the key of its node."""
    found = message.get("id") if type(message) is dict else None
    return found if type(found) is str and found else key
