"""report.html of a checked data set: what must be mended, what it holds, what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from icnet.data.check.check import SAMPLE, SplitFacts
from icnet.data.check.findings import Kind
from icnet.data.check.summary import ClassRow, Summary
from icnet.report.frame import fill_frame, write_frame
from icnet.report.markup import EMPTY, Html, join, percent, section, table_of, tag, text
from icnet.report.scores import card

_SHOWN = 200  # sentences of a kind, values of the labels: the rest is in prepare.json


def write_check(folder: Path, summary: Summary, proposal: Mapping[str, str]) -> Path:
    """Write folder/report.html. proposal: file names and contents of the proposed configuration."""
    sections = join(part for part in _sections(summary, proposal))
    opening = tag("p", text(" ".join(say_state(summary))), class_="opening")
    page = fill_frame("prepare", summary.name, opening, sections, "prepare.json")
    return write_frame(folder / "report.html", page)


def say_state(summary: Summary) -> Iterator[str]:
    """Whether this can be trained on, in a sentence or two."""
    pairs = sum(split.pairs for split in summary.facts.splits)
    yield f"{pairs:,} pairs of image and label in {summary.root}."
    if kinds := list(summary.grave):
        yield f"Before training, mend: {', '.join(kind.title for kind in kinds)}."
    else:
        yield "Ready to train."


def say_reading(summary: Summary) -> str:
    """How closely the files were looked at."""
    if summary.facts.deep:
        return "every image and label was decoded"
    read, pairs = (sum(getattr(split, key) for split in summary.facts.splits) for key in ("labels_read", "pairs"))
    labels = (
        "every label was decoded" if read == pairs else f"{read:,} of {pairs:,} labels were decoded, {SAMPLE} a split"
    )
    return f"images by header and end; {labels}; task.deep=true decodes everything"


def say_sizes(split: SplitFacts) -> str:
    """The commonest sizes."""
    most = split.sizes.most_common(3)
    if len(split.sizes) == 1:
        return f"{most[0][0][0]}x{most[0][0][1]}"
    rest = len(split.sizes) - len(most)
    return ", ".join(f"{h}x{w} ({count})" for (h, w), count in most) + (f" and {rest} more" if rest > 0 else "")


def _sections(summary: Summary, proposal: Mapping[str, str]) -> Iterator[Html]:
    notes = {kind: texts for kind, texts in summary.found.items() if not kind.grave}
    yield tag("dl", join(_cards(summary, notes)), class_="cards")
    yield section("To mend before training", _findings(summary.grave))
    yield section("Next", _bullets(summary.advice))
    yield section("Splits", _split_table(summary.facts.splits))
    yield section("Classes", _class_table(summary))
    yield section("Values in the label files", _value_table(summary))
    yield section("Proposed configuration", join(_file(name, words) for name, words in proposal.items()))
    yield section("Notes", _findings(notes))
    yield section("How this was read", table_of({"folder": summary.root, "files": say_reading(summary)}))


def _cards(summary: Summary, notes: Mapping[Kind, Sequence[str]]) -> Iterator[Html]:
    for split in summary.facts.splits:
        yield card(f"Split {split.name}", f"{split.pairs:,}", "pairs", say_sizes(split))
    yield card("To mend", f"{sum(map(len, summary.grave.values())):,}", "", ", ".join(k.title for k in summary.grave))
    if notes:
        yield card("Notes", f"{sum(map(len, notes.values())):,}", "", ", ".join(kind.title for kind in notes))
    if summary.classes is not None:
        yield card(
            "Classes", str(len(summary.classes)), "", f"{percent(summary.unlabelled)} % of the pixels are ignored"
        )


def _findings(found: Mapping[Kind, Sequence[str]]) -> Html:
    return join(_kind(kind, texts) for kind, texts in found.items())


def _kind(kind: Kind, texts: Sequence[str]) -> Html:
    """The first sentence of a kind, the others folded away."""
    head = tag("p", tag("strong", text(kind.title.capitalize())) + text(f" ({len(texts):,})") + "<br>" + text(texts[0]))
    return tag("div", join([head, _folded(texts)]))


def _folded(texts: Sequence[str]) -> Html:
    if len(texts) == 1:
        return EMPTY
    hidden = len(texts) - _SHOWN
    rest = [*texts[1:_SHOWN], *([f"and {hidden:,} more, in prepare.json"] if hidden > 0 else [])]
    return tag("details", tag("summary", text(f"Show the other {len(texts) - 1:,}")) + _bullets(rest))


def _bullets(lines: Sequence[str]) -> Html:
    return tag("ul", join(tag("li", text(line)) for line in lines)) if lines else EMPTY


def _split_table(splits: Sequence[SplitFacts]) -> Html:
    head = ("Split", "Pairs", "Labels missing", "Labels left over", "Labels decoded", "Height x width")
    counts = ((split.pairs, split.missing, split.orphans, split.labels_read) for split in splits)
    numbers = [[text(f"{count:,}") for count in row] for row in counts]
    return _table(head, [[text(s.name), *row, text(say_sizes(s))] for s, row in zip(splits, numbers, strict=True)])


def _class_table(summary: Summary) -> Html:
    rows = summary.class_rows
    if not rows:
        return EMPTY
    names = [split.name for split in summary.facts.splits]
    top = max((share for row in rows for share in row.shares.values()), default=0.0) or 1.0
    head = ("Class", "", *(f"{name}, %" for name in names), "Weight, median freq.", "Weight, log")
    return _table(head, [_class_row(row, names, top) for row in rows])


def _class_row(row: ClassRow, splits: Sequence[str], top: float) -> list[Html]:
    """top: the largest share of all, whose bar is full."""
    shade = f"rgb({row.color[0]} {row.color[1]} {row.color[2]})"
    name = tag("i", "", class_="swatch", style=f"background:{shade}") + text(row.name)
    share = next(iter(row.shares.values()), 0.0)
    bar = tag("div", tag("i", "", style=f"width:{percent(share / top)}%;background:{shade}"), class_="bar")
    numbers = [*(100 * row.shares[split] for split in splits), row.median_frequency, row.log]
    return [Html(name), bar, *(text(f"{number:.2f}") for number in numbers)]


def _value_table(summary: Summary) -> Html:
    rows = summary.value_rows
    if not rows:
        return EMPTY
    words = [(r.value, r.form.value, r.meaning, f"{r.pixels:,}", f"{100 * r.share:.3f}") for r in rows[:_SHOWN]]
    table = _table(("Value", "Kind", "Meaning", "Pixels", "Share, %"), [[*map(text, row)] for row in words])
    hidden = len(rows) - _SHOWN
    more = tag("p", text(f"and {hidden:,} more, in prepare.json")) if hidden > 0 else EMPTY
    return tag("details", tag("summary", text(f"Show the {len(rows):,} values")) + table + more)


def _file(name: str, words: str) -> Html:
    return join([tag("p", tag("code", text(name))), tag("pre", text(words))])


def _table(head: Sequence[str], rows: Sequence[Sequence[Html]]) -> Html:
    body = join(_row(row) for row in rows)
    top = tag("thead", tag("tr", join(tag("th", text(name)) for name in head)))
    return tag("div", tag("table", top + tag("tbody", body), class_="jobs"), class_="scroll")


def _row(cells: Sequence[Html]) -> Html:
    first, *rest = cells
    return tag("tr", tag("th", first, scope="row") + "".join(tag("td", cell) for cell in rest))
