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
        rows: the id of the nearest message from a node on upwards, as far as it is known.
    """

    def __init__(self, nodes: dict[str, Any], current: Any) -> None:
        self._nodes = nodes
        self._parents: dict[str, str | None] = {
            key: node.get("parent") if type(node) is dict else None for key, node in nodes.items()
        }
        for node, parent in self._parents.items():
            if parent is not None and (type(parent) is not str or parent not in nodes):
                self._parents[node] = None
        self.rows: dict[str | None, str | None] = {None: None}
        shown: dict[str, None] = {}
        key: str | None = current if type(current) is str and current in nodes else None
        while key is not None and key not in shown:
            shown[key] = None
            key = self._parents[key]
        self.shown = dict.fromkeys(reversed(shown))

    def __iter__(self) -> Iterator[str]:
        yield from self.shown
        if len(self.shown) == len(self._nodes):
            return
        seen: set[str] = set()
        roots = [key for key, parent in self._parents.items() if parent is None]
        for begin in (*roots, *self._nodes):  # first from the roots down, then what no root leads to
            pending = [begin]
            while pending:
                if (key := pending.pop()) in seen:
                    continue
                seen.add(key)
                if key not in self.shown:
                    yield key
                pending += reversed(self.children(key))

    def children(self, key: str) -> list[str]:
        """The nodes below a node, those that are there."""
        node = self._nodes[key]
        children = node.get("children") if type(node) is dict else None
        if type(children) is not list:
            return []
        return [child for child in children if type(child) is str and child in self._nodes]

    def row_above(self, key: str) -> str | None:
        """The id of the message that a node follows; nodes without a message are passed over."""
        path: list[str] = []
        above = self._parents[key]
        while above not in self.rows:
            assert above is not None
            path.append(above)
            message = message_of(self._nodes[above])
            self.rows[above] = None if message is None else id_of(message, above)
            if message is not None:
                break
            above = self._parents[above]
        row = self.rows[above]
        self.rows.update(dict.fromkeys(path, row))
        return row


def message_of(node: Any) -> Any:
    """The message of a node, None if it has none."""
    return node.get("message") if type(node) is dict else node


def id_of(message: Any, key: str) -> str:
    """The id of a message, or else the key of its node."""
    found = message.get("id") if type(message) is dict else None
    return found if type(found) is str and found else key
