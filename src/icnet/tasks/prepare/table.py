"""What a check shows on the terminal: a bar while it reads, then tables and the first finding of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from icnet.data.check.summary import Summary
from icnet.report.check import say_reading, say_sizes

_MOST = 10  # sentences of a kind that must be mended


@contextmanager
def show_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar, for as long as the block runs; it is moved by calls with the number done and the number wanted."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, wanted: bar.update(task, completed=done, total=wanted)


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Splits, classes, findings, and what to do next."""
    console = console or Console()
    console.print(_split_table(summary))
    if summary.class_rows:
        console.print(_class_table(summary))
    if summary.weights_advice is not None:
        console.print(escape(summary.weights_advice), highlight=False, soft_wrap=True)
    console.print(escape(f"Read: {say_reading(summary)}"), style="dim", highlight=False)
    for kind, texts in summary.found.items():
        word, style, most = ("mend", "red", _MOST) if kind.grave else ("note", "yellow", 1)
        for place, text in enumerate(texts[:most], 1):
            more = f" (and {len(texts) - most:,} more)" if place == most < len(texts) else ""
            line = f"[{style}]{word}[/{style}] [bold]{kind.title}[/bold]{more}: {escape(text)}"
            console.print(line, highlight=False, soft_wrap=True)
    for line in summary.advice:
        console.print(f"[green]next[/green] {escape(line)}", highlight=False, soft_wrap=True)


def _split_table(summary: Summary) -> Table:
    table = Table(title=escape(summary.name))
    for name in ("split", "pairs", "labels missing", "left over", "decoded", "height x width"):
        table.add_column(name, justify="left" if name in ("split", "height x width") else "right")
    for split in summary.facts.splits:
        counts = (split.pairs, split.missing, split.orphans, split.labels_read)
        table.add_row(escape(split.name), *(f"{count:,}" for count in counts), say_sizes(split))
    return table


def _class_table(summary: Summary) -> Table:
    names = [split.name for split in summary.facts.splits]
    table = Table()
    shares = [f"{escape(name)} {what}" for what in ("%", "frames %") for name in names]
    for name in ("class", *shares, "median freq.", "log"):
        is_class = name == "class"
        table.add_column(name, justify="left" if is_class else "right", no_wrap=is_class)
    for row in summary.class_rows:
        shares = [f"{100 * row.shares[name]:.2f}" for name in names] + [
            f"{100 * row.frames[name]:.0f}" for name in names
        ]
        swatch = "[on #{:02x}{:02x}{:02x}]  [/] ".format(*row.color)
        table.add_row(swatch + escape(row.name), *shares, f"{row.median_frequency:.2f}", f"{row.log:.2f}")
    return table
