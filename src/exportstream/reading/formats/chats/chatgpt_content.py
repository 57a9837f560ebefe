"""The content of a message of ChatGPT: about a dozen types, each with keys of its own.

Takes: a JSON value. Returns: a `Content`. Raises: `InvalidMessageError` for a value that is neither an object nor a text.
Holds: nothing. A type that is not known keeps all its keys in `extra`.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from exportstream.reading.formats.chats.values import expected, kept

# The key of each type that holds its text. Types that are not here have `parts`, or else `text`.
_TEXT_KEYS = {"tether_browsing_display": "result", "reasoning_recap": "content"}
_POINTER_KEYS = frozenset({"content_type", "asset_pointer", "size_bytes"})
_THOUGHT_KEYS = frozenset({"content"})


class Content(Struct):
    """What a content holds.

    Attributes:
        kind: its type.
        text: its texts.
        thoughts: the texts of thoughts.
        attachments: what it points to.
        extra: everything else; the type is in it, unless it is text and nothing else is left.
    """

    kind: str = "text"
    text: str = ""
    thoughts: list[str] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


def plain_texts(values: list[Any]) -> list[str | None]:
    """The texts of contents that hold nothing else, as nearly all do; None for each other content."""
    return [
        parts[0]
        if value.__class__ is dict
        and len(value) == 2
        and value.get("content_type") == "text"
        and (parts := value.get("parts")).__class__ is list
        and len(parts) == 1
        and parts[0].__class__ is str
        else None
        for value in values
    ]


def read_content(value: Any) -> Content:
    """Read the content of a message."""
    if value is None or type(value) is str:
        return Content(text=value or "")
    if type(value) is not dict:
        raise expected("object or string", value, "$.content")
    kind, parts = value.get("content_type"), value.get("parts")
    found = Content(kind=kind if type(kind) is str else "")
    known = ["content_type"]
    if kind == "thoughts":
        _read_thoughts(value, found, known)
    elif type(parts) is list:
        known.append("parts")
        _read_parts(parts, found)
    elif type(text := value.get(key := _TEXT_KEYS.get(found.kind, "text"))) is str:
        known.append(key)
        found.text = text
    if kind == "user_editable_context" and not found.text:
        texts = [value[key] for key in ("user_profile", "user_instructions") if type(value.get(key)) is str]
        found.text = "\n\n".join(texts)
    more = kept(value, known) | found.extra if found.extra else kept(value, known)
    if more or kind != "text":
        found.extra = more if kind is None else {"content_type": kind, **more}
    return found


def _read_thoughts(value: dict[str, Any], found: Content, known: list[str]) -> None:
    """Read thoughts, which have a summary each; older exports have them as parts."""
    for key in ("thoughts", "parts"):
        items = value.get(key)
        if type(items) is not list:
            continue
        known.append(key)
        rest = []
        for item in items:
            thought = item.get("content") if type(item) is dict else item
            if type(thought) is str:
                found.thoughts += [thought] if thought else []
                rest.append(kept(item, _THOUGHT_KEYS) if type(item) is dict else {})
            elif item is not None:
                rest.append(item)
        if any(rest):
            found.extra[key] = rest


def _read_parts(parts: list[Any], found: Content) -> None:
    """Read parts: texts, transcripts of speech, and pointers to files."""
    texts: list[str] = []
    rest: list[Any] = []
    for part in parts:
        if type(part) is str:
            texts.append(part)
        elif type(part) is dict and type(part.get("asset_pointer")) is str:
            found.attachments.append(_describe(part))
        elif type(part) is dict and type(part.get("text")) is str:
            texts.append(part["text"])
            rest.append(kept(part, ("text",)))
        elif part is not None:
            rest.append(part)
    found.text = "\n".join(texts)
    if rest:
        found.extra["parts"] = rest


def _describe(part: dict[str, Any]) -> dict[str, Any]:
    described = {"type": part.get("content_type"), "url": part["asset_pointer"], "size": part.get("size_bytes")}
    return {key: item for key, item in described.items() if item is not None} | kept(part, _POINTER_KEYS)
