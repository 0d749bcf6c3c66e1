"""The demo on a terminal: the same words, and below them a small picture of the present that is redrawn in place."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from broker.cli.demo.plain import View
from broker.cli.demo.story import Kind, Mood, Paragraph
from broker.cli.demo.tally import Scene

#: Longer lines are hard to read, however wide the terminal.
WIDEST = 100
KINDS: dict[Kind, str] = {
    "title": "bold",
    "text": "",
    "quote": "bold yellow",
    "command": "cyan",
    "good": "green",
    "bad": "bold red",
}
MOODS: dict[Mood, str] = {"good": "", "note": "magenta", "bad": "yellow", "miss": "bold red"}
#: What is left, what is gone, and the point of replacement.
BAR = "\u2588", "\u2591", "\u2502"
ASCII_BAR = "#", ".", "|"


class LiveView(View):
    """Colours unless NO_COLOR is set; `rich` sees to that."""

    beat = 2.0

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._live: Live | None = None

    def __exit__(self, *_: object) -> None:
        """The picture goes, the cursor comes back."""
        if self._live:
            self._live.stop()
            self._live = None

    @property
    def _width(self) -> int:
        return min(self._console.width, WIDEST)

    def tell(self, paragraphs: Sequence[Paragraph]) -> None:
        """A title has a blank line before it."""
        for one in paragraphs:
            text = Text(one.text, KINDS[one.kind])
            match one.kind:
                case "title":
                    self._console.print()
                    self._console.print(text, width=self._width)
                case "quote":
                    self._console.print(Padding(text, (0, 0, 0, 4)), width=self._width)
                case "command":  # the terminal breaks it, not we: it can then be copied in one piece
                    self._console.print(Text("  ").append_text(text), soft_wrap=True)
                case _:
                    self._console.print(text, width=self._width)

    def happened(self, clock: str, text: str, mood: Mood) -> None:
        """Above the picture."""
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_row(Text(clock, "dim"), Text(text, MOODS[mood]))
        self._console.print(row, width=self._width)

    def figures(self, rows: Sequence[tuple[str, str]]) -> None:
        """In two columns."""
        table = Table.grid(padding=(0, 2, 0, 0))
        for label, value in rows:
            table.add_row(Text(label), Text(value, "bold"))
        self._console.print(Padding(table, (0, 0, 0, 2)), width=self._width)

    def draw(self, scene: Scene) -> None:
        """Redrawn where it stands, a few times a second, by nobody else."""
        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start()
        self._live.update(self._picture(scene), refresh=True)

    def _picture(self, scene: Scene) -> RenderableType:
        width = self._width
        rows = Table.grid(padding=(0, 2, 0, 0))
        rows.add_column(no_wrap=True)
        rows.add_column(no_wrap=True, overflow="ellipsis")
        rows.add_row("token", self._token(scene, width - 11))
        rows.add_row("server", Text(f"fails: {scene.trouble}", "yellow") if scene.trouble else Text("answers", "green"))
        missed = Text(f"{scene.misses} missed", "bold red" if scene.misses else "green")
        rows.add_row("workload", Text(f"{scene.calls} calls, ").append_text(missed))
        rows.add_row("refreshes", f"{scene.refreshes} done, {scene.failed} failed")
        end = f"of {scene.seconds:.0f} s" if scene.seconds else "(Ctrl-C ends it)"
        title = Text(f" {scene.elapsed:.0f} s {end} ", "dim")
        return Group(Rule(title, style="dim", align="right"), Padding(rows, 0, expand=False))

    def _token(self, scene: Scene, width: int) -> Text:
        """What is left of the lifetime as a bar; when it has shrunk to the mark the token is replaced."""
        label = f" {scene.left:4.1f} s left, replaced at {scene.replaced_at:.1f} s"
        if width < 2 * len(label):
            label, _, _ = label.partition(",")
        full, gone, mark = ASCII_BAR if self._console.options.ascii_only else BAR
        cells = max(0, width - len(label) - len(f"{scene.number} "))
        filled = round(cells * scene.left / scene.lifetime)
        at = round(cells * scene.replaced_at / scene.lifetime)
        style = "green" if scene.left >= scene.replaced_at else "yellow"
        bar = Text(f"{scene.number} ", "bold")
        for cell in range(cells):
            here = mark if cell == at else full if cell < filled else gone
            bar.append(here, "bold" if cell == at else style if cell < filled else "dim")
        return bar.append(label, "")
