"""The rules of the prose: sentences are short, and links lead somewhere.

Run it from the root of the checkout. It prints a line for each breach, and fails if there is one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

#: A sentence has fewer words than this.
TOO_MANY_WORDS = 25

#: Where a sentence ends, or what is as good as an end.
END = re.compile(r"(?<=[.!?:;])[*\")]*\s+")
#: Where a block of text begins: after an empty line, or with an item, a heading or a row.
BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[*-]|\d+\.)\s|#|\|)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ELSEWHERE = re.compile(r"[a-z]+:")

Breach = tuple[Path, int, str]


def documents() -> list[Path]:
    """Return what people have written for people."""
    return sorted(
        path
        for pattern in ("*.md", "docs/*.md", "*/README.md")
        for path in Path().glob(pattern)
        if not path.parts[0].startswith(".") and path.parts[0] not in ("build", "dist")
    )


def without_code(text: str) -> str:
    """Return the text with blanks for blocks of code, on as many lines."""
    blank = lambda found: "\n" * found[0].count("\n")  # noqa: E731
    text = re.sub(r"^```.*?^```$", blank, text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<=\n)\n(?: {4}.*\n+)+(?=\S|\Z)", blank, text)


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Yield each sentence with the line that its block begins in. A cell is a block."""
    start = 0
    for end in [*(found.start() for found in BLOCK.finditer(text)), len(text)]:
        block = text[start:end]
        line = text.count("\n", 0, start + len(block) - len(block.lstrip())) + 1
        cells = block.split("|") if block.lstrip().startswith("|") else [block]
        for cell in cells:
            for sentence in END.split(" ".join(cell.split())):
                yield line, sentence
        start = end


def long_sentences(path: Path, text: str) -> Iterator[Breach]:
    for line, sentence in sentences(text):
        words = sum(any(map(str.isalnum, word)) for word in sentence.split())
        if words >= TOO_MANY_WORDS:
            yield path, line, f"{words} words in a sentence: {sentence}"


def anchors(path: Path) -> set[str]:
    """Return the names by which the headings of a file are linked to."""
    headings = re.findall(r"^#+ (.*)$", without_code(path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def broken_links(path: Path, text: str) -> Iterator[Breach]:
    for found in LINK.finditer(text):
        target, _, anchor = found[1].partition("#")
        if ELSEWHERE.match(target):
            continue
        file = path.parent / target if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield path, text.count("\n", 0, found.start()) + 1, f"leads nowhere: {found[1]}"


def main() -> int:
    breaches = 0
    for path in documents():
        text = without_code(path.read_text())
        for rule in (long_sentences, broken_links):
            for place, line, message in rule(path, text):
                print(f"{place}:{line}: {message}")
                breaches += 1
    return breaches != 0


if __name__ == "__main__":
    sys.exit(main())
