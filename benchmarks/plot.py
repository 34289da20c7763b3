"""The chart of a run: what one operation costs, by event loop and by contender."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
# The same file for the same numbers: ids are hashed from the content, with this as the salt.
matplotlib.rcParams["svg.hashsalt"] = "switchback"
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.family"] = "sans-serif"

import matplotlib.pyplot as plt  # noqa: E402

CONTENDERS = {"native": "#8a8f98", "switchback": "#1f6feb", "greenback": "#2da44e"}
NAMES = {"native": "native await", "switchback": "Switchback", "greenback": "greenback"}
LOOPS = {"asyncio": "asyncio", "uvloop": "uvloop", "trio": "Trio"}
BAR = 0.27


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw one panel an event loop: a group of bars for each row, the cost on a log scale."""
    labels = list(
        dict.fromkeys(
            cell["label"]
            for result in results.values()
            for cell in result["cells"]
            if cell["label"] != "checkpoints"
        )
    )
    figure, panels = plt.subplots(
        1, len(results), figsize=(5 + 3.4 * len(results), 9), sharey=True, squeeze=False
    )
    for panel, (loop, result) in zip(panels[0], results.items(), strict=True):
        for place, (contender, color) in enumerate(CONTENDERS.items()):
            medians = {
                cell["label"]: statistics.median(cell["microseconds"])
                for cell in result["cells"]
                if cell["contender"] == contender and cell["label"] in labels
            }
            bars = panel.barh(
                [labels.index(label) + (place - 1) * BAR for label in medians],
                list(medians.values()),
                height=BAR,
                color=color,
                label=NAMES[contender],
            )
            panel.bar_label(bars, fmt="%.3g", padding=2, fontsize=7)
        panel.set_xscale("log")
        panel.margins(x=0.15)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.minorticks_off()
        panel.set_title(LOOPS[loop])
        panel.set_xlabel("microseconds an operation (log scale)")
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_axisbelow(True)
        panel.grid(axis="x", color="#d8dee4", linewidth=0.6)
    panels[0][0].set_yticks(range(len(labels)), labels)
    panels[0][0].set_ylim(len(labels) - 0.4, -0.6)
    first = next(iter(results.values()))
    figure.suptitle(
        f"What one operation costs: CPython {first['python']},"
        f" greenback {first['versions']['greenback']}; shorter is better"
    )
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=len(names), frameon=False)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    # White, so that it can be read on a dark page.
    figure.savefig(path, metadata={"Date": None}, facecolor="white")
    plt.close(figure)
    # Matplotlib ends some lines in blanks.
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n")
