"""Runs examples/three_tasks.py, and writes what it prints, at its own pace, to docs/recording.svg.

The picture moves by CSS alone, so that it moves where a page shows it as an image. What does not
animate shows all lines.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "examples/three_tasks.py"
PICTURE = ROOT / "docs" / "recording.svg"
#: What is shown of the program: the functions that matter.
FUNCTIONS = ("fetch_size", "by_size")

# In pixels.
CHARACTER = 8.0
LINE = 19
MARGIN = 20
BAR = 34

#: How long the picture stays when the program has ended, in seconds.
REST = 3.0

STYLE = """\
text { font: 13.3px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
  fill: #d7dde4; white-space: pre }
.dim { fill: #8b98a8 } .word { fill: #ff9d84 } .ours { fill: #6ee7a8; font-weight: bold }
.output { animation: %(seconds).1fs steps(1) infinite }
@media (prefers-reduced-motion: reduce) { .output { animation: none } }
"""


def record() -> list[tuple[float, str]]:
    """Return the lines that the program prints, and when, in seconds after the first."""
    program = subprocess.Popen(
        [sys.executable, PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert program.stdout is not None
    lines: list[tuple[float, str]] = []
    start = None
    for line in program.stdout:
        now = time.perf_counter()
        start = now if start is None else start
        lines.append((round(now - start, 1), line.rstrip("\n")))
    if program.wait() != 0:
        sys.exit(f"{PROGRAM} failed")
    return lines


def shown_source() -> list[str]:
    """Return the lines of the functions that the picture shows."""
    source = (ROOT / PROGRAM).read_text()
    functions = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in FUNCTIONS
    ]
    texts = [ast.get_source_segment(source, function) or "" for function in functions]
    return "\n\n".join(texts).split("\n")


def text(x: float, y: float, content: str, cls: str = "") -> str:
    """Return one run of characters, as wide as its cells whatever the font."""
    attributes = f' class="{cls}"' if cls else ""
    length = f"{len(content) * CHARACTER:g}"
    return f'<text x="{x:g}" y="{y:g}" textLength="{length}"{attributes}>{escape(content)}</text>'


def runs(line: str, pattern: str, y: float, cls: str = "") -> str:
    """Return the parts of a line that match, each at the place of its characters."""
    return "".join(
        text(MARGIN + found.start() * CHARACTER, y, found.group(), cls)
        for found in re.finditer(pattern, line)
    )


def source_line(line: str, y: float) -> str:
    code, mark, comment = line.partition("#")
    highlighted = r"\bawait_\b"
    words = r"\b(?:async|await|def|return|lambda|for|in)\b"
    rest = re.sub(f"{highlighted}|{words}", lambda found: " " * len(found.group()), code)
    parts = runs(code, highlighted, y, "ours") + runs(code, words, y, "word")
    parts += runs(rest, r"\S+(?: \S+)*", y)
    if mark:
        parts += text(MARGIN + len(code) * CHARACTER, y, mark + comment, "dim")
    return parts


def draw(lines: list[tuple[float, str]]) -> str:
    """Return the picture."""
    source = shown_source()
    width = 2 * MARGIN + CHARACTER * max(len(line) for line in source + [line for _, line in lines])
    width = max(width, 2 * MARGIN + 76 * CHARACTER)
    seconds = lines[-1][0] + REST
    y = BAR + 22.0
    body, frames = [], []
    for line in source:
        body.append(source_line(line, y))
        y += LINE
    y += 4
    body.append(f'<path d="M0 {y - 8:g}H{width:g}" stroke="#3a4654"/>')
    y += LINE
    body.append(text(MARGIN, y - 6, f"$ python {PROGRAM}", "dim"))
    y += LINE - 2
    for number, (when, line) in enumerate(lines):
        # The first line is there from the start.
        style = f' class="output" style="animation-name:l{number}"' if when else ""
        cls = "" if number else "dim"
        body.append(f"<g{style}>{runs(line, r'[^ ]+(?: [^ ]+)*', y, cls)}</g>")
        if when:
            shown = 100 * when / seconds
            frames.append(f"@keyframes l{number}{{0%{{opacity:0}}{shown:.1f}%{{opacity:1}}}}")
        y += LINE
    height = y + 2
    dots = "".join(f'<circle cx="{22 + 18 * i}" cy="17" r="5" fill="#4a5766"/>' for i in range(3))
    title = text(width / 2 - 18.5 * CHARACTER, 22, "one thread, one event loop, real time", "dim")
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" role="img">',
            "<title>Two tasks wait inside sorted() while a third one goes on</title>",
            f"<style>\n{STYLE % {'seconds': seconds}}{chr(10).join(frames)}\n</style>",
            f'<rect x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="9" '
            'fill="#18212b" stroke="#3a4654"/>',
            dots + title,
            *body,
            "</svg>\n",
        )
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(record()))
