"""The charts: bars and lines in one style, as SVG that is the same for the same numbers."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

from .report import Spread, number

matplotlib.use("svg")
# The same file for the same numbers: ids are hashed from the content, with this as the salt.
matplotlib.rcParams["svg.hashsalt"] = "switchback"
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.family"] = "sans-serif"

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator  # noqa: E402

COLORS = {"native": "#8a8f98", "switchback": "#1f6feb", "greenback": "#2da44e"}
OTHER = "#c9a227"
NAMES = {"native": "native", "switchback": "Switchback", "greenback": "greenback"}
MARKERS = {"native": "s", "switchback": "o", "greenback": "^"}
GRID = "#d8dee4"


class Line(NamedTuple):
    """Points of one contender."""

    contender: str
    x: Sequence[float]
    y: Sequence[float]


def plain(value: float, _: object = None) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"


def finish(panel: Any, axis: str) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_axisbelow(True)
    panel.grid(axis=axis, color=GRID, linewidth=0.6)


def save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # White, so that it can be read on a dark page.
    figure.savefig(path, metadata={"Date": None}, facecolor="white")
    plt.close(figure)
    # Matplotlib ends some lines in blanks.
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n")


def bars_by_contender(
    panels: Mapping[str, Mapping[tuple[str, str], Sequence[float]]],
    title: str,
    path: Path,
    *,
    log: bool,
) -> None:
    """A panel for each name, in it a group of bars for each label."""
    labels = list(dict.fromkeys(label for cells in panels.values() for label, _ in cells))
    thickness = 0.27
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(5 + 3.4 * len(panels), 2.2 + 0.45 * len(labels)),
        sharey=True,
        squeeze=False,
    )
    for panel, (name, cells) in zip(axes[0], panels.items(), strict=True):
        for place, (contender, color) in enumerate(COLORS.items()):
            medians = {
                label: statistics.median(values)
                for (label, whose), values in cells.items()
                if whose == contender
            }
            bars = panel.barh(
                [labels.index(label) + (place - 1) * thickness for label in medians],
                list(medians.values()),
                height=thickness,
                color=color,
                label=NAMES[contender],
            )
            texts = [
                f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" for value in bars.datavalues
            ]
            panel.bar_label(bars, labels=texts, padding=2, fontsize=7)
        if log:
            panel.set_xscale("log")
            panel.minorticks_off()
        else:
            panel.xaxis.set_major_locator(MaxNLocator(5))
        panel.margins(x=0.2)
        panel.xaxis.set_major_formatter(plain)
        panel.set_title(name)
        finish(panel, "x")
    axes[0][0].set_yticks(range(len(labels)), labels)
    axes[0][0].set_ylim(len(labels) - 0.4, -0.6)
    figure.suptitle(title)
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=len(names), frameon=False)
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    save(figure, path)


def lines(
    panels: Mapping[str, Sequence[Line]],
    title: str,
    path: Path,
    *,
    x: str,
    y: str | Sequence[str],
    columns: int,
    log_x: bool = True,
    log_y: bool = False,
) -> None:
    """A panel for each name, in it a line for each contender."""
    units = [y] * len(panels) if isinstance(y, str) else y
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(5.2 * columns, 0.6 + 3.7 * rows), squeeze=False
    )
    for panel, (name, several), unit in zip(axes.flat, panels.items(), units, strict=True):
        for line in several:
            if line.x:
                panel.plot(
                    line.x,
                    line.y,
                    color=COLORS[line.contender],
                    marker=MARKERS[line.contender],
                    label=NAMES[line.contender],
                )
        if log_x:
            panel.set_xscale("log")
            panel.xaxis.set_minor_locator(NullLocator())
        if log_y:
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_minor_locator(NullLocator())
        else:
            panel.set_ylim(bottom=0)
        panel.xaxis.set_major_formatter(plain)
        panel.yaxis.set_major_formatter(plain)
        panel.set_title(name, fontsize=10)
        panel.set_xlabel(x)
        panel.set_ylabel(unit)
        panel.legend(frameon=False)
        finish(panel, "both")
    figure.suptitle(title)
    figure.tight_layout()
    save(figure, path)


class Bar(NamedTuple):
    """A bar with the quartiles of what it shows; without a value, with the reason."""

    label: str
    value: Spread | None
    reason: str = ""


def bars(
    panels: Mapping[str, Sequence[Bar]], title: str, path: Path, *, log: bool | Sequence[bool]
) -> None:
    """A panel for each name, in it a bar for each label with its quartiles."""
    logs = [log] * len(panels) if isinstance(log, bool) else log
    longest = max(len(several) for several in panels.values())
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(2.4 + 3.6 * len(panels), 1.6 + 0.42 * longest),
        sharey=True,
        squeeze=False,
    )
    for panel, (name, several), logarithmic in zip(axes[0], panels.items(), logs, strict=True):
        for place, bar in enumerate(several):
            if bar.value is None:
                panel.annotate(
                    f" {bar.reason}",
                    (0, place),
                    xycoords=("axes fraction", "data"),
                    va="center",
                    fontsize=8,
                    style="italic",
                )
                continue
            middle, low, high = bar.value
            panel.barh(
                place,
                middle,
                xerr=[[middle - low], [high - middle]],
                color=COLORS.get(bar.label.partition(":")[0].lower(), OTHER),
                height=0.6,
                error_kw={"elinewidth": 0.8, "capsize": 2},
            )
            panel.annotate(
                f" {number(middle)}",
                (high, place),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        if logarithmic:
            panel.set_xscale("log")
            panel.minorticks_off()
        panel.margins(x=0.3)
        panel.xaxis.set_major_formatter(plain)
        panel.set_title(name, fontsize=10)
        finish(panel, "x")
    first = next(iter(panels.values()))
    axes[0][0].set_yticks(range(len(first)), [bar.label for bar in first])
    axes[0][0].invert_yaxis()
    figure.suptitle(title)
    figure.tight_layout()
    save(figure, path)
