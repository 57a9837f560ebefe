"""Text for generated exports, cut at seeded random places out of the standard library's own sources."""

from __future__ import annotations

import base64
import os
import random
import sysconfig
from pathlib import Path

CORPUS_LIMIT = 32_000_000
FOREIGN_LIMIT = 2000


def read_corpus(limit: int, seed: int) -> bytes:
    """Read up to `limit` bytes of the standard library's sources, in a seeded order."""
    files = []
    for folder, folders, names in os.walk(sysconfig.get_path("stdlib")):
        folders[:] = [name for name in folders if not name.endswith("-packages")]
        files += [Path(folder, name) for name in names if name.endswith(".py")]
    files.sort()
    random.Random(seed).shuffle(files)
    corpus = bytearray()
    for path in files:
        corpus += path.read_bytes()
        if len(corpus) >= limit:
            break
    return bytes(corpus[:limit])


class Text:
    """Draws text of several kinds. Holds the corpus and a few MB of text in other scripts."""

    def __init__(self, size: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.corpus = read_corpus(min(CORPUS_LIMIT, max(1_000_000, 2 * size)), seed)
        self.foreign: list[str] = []

    def between(self, low: int, high: int) -> int:
        """Draw a number, faster than `randint` does."""
        return low + int(self.random.random() * (high - low + 1))

    def code(self, low: int, high: int) -> str:
        """Cut between `low` and `high` bytes out of the corpus."""
        start = int(self.random.random() * (len(self.corpus) - high))
        return self.corpus[start : start + self.between(low, high)].decode("utf-8", "ignore")

    def log(self, size: int) -> str:
        """Make log lines that end with lines of the corpus."""
        lines = self.code(size, size).splitlines()
        minute, thread = self.between(10, 59), self.between(1, 16)
        levels = self.random.choices(("INFO ", "DEBUG", "WARN ", "\x1b[31mERROR\x1b[0m"), (70, 20, 8, 2), k=len(lines))
        times = sorted(self.random.choices(range(60_000), k=len(lines)))
        return "\n".join(
            f"2025-10-03 10:{minute}:{ms // 1000:02},{ms % 1000:03} {level} [worker-{thread}] {line}"
            for ms, level, line in zip(times, levels, lines, strict=True)
        )

    def image(self, size: int) -> str:
        """Make the data URL of an image, whose bytes do not compress."""
        return f"data:image/png;base64,{base64.b64encode(self.random.randbytes(size)).decode()}"

    def terminal(self, size: int) -> str:
        """Make coloured output with tabs, carriage returns and control characters."""
        return "\r\n".join(f"\x1b[32m\t{line}\x1b[0m\x08\x00" for line in self.code(size, size).splitlines())

    def paths(self, size: int) -> str:
        """Make Windows paths in quotes."""
        return self.code(size, size).replace(" ", "\\").replace("\n", '"\n"C:\\Users\\')

    def markup(self, size: int) -> str:
        """Make HTML with line separators in it."""
        return "\u2028".join(f"<p class='a'>{line} && </p>" for line in self.code(size, size).splitlines())

    def other_script(self, size: int) -> str:
        """Make text in Cyrillic or Chinese characters, with an emoji now and then; from a pool, once that is full."""
        if len(self.foreign) == FOREIGN_LIMIT:
            return self.random.choice(self.foreign)
        first = 0x430 if len(self.foreign) % 2 else 0x4E00
        letters = {ord("a") + letter: first + letter for letter in range(26)}
        self.foreign.append(self.code(size, size).replace("self", "🙂").translate(letters))
        return self.foreign[-1]
