"""Prints the chart's README.md anew, with the table of values from the comments of values.yaml.

`make generate` runs this.
"""

import re
import sys
from collections.abc import Iterator

from helm.values_file import CHART, Value, values

PAGE = CHART / "README.md"
MARKED = re.compile(r"(?<=<!-- values -->\n).*(?=<!-- /values -->)", re.DOTALL)


def page() -> str:
    """The whole, up to date."""
    table = "\n".join(_table(values()))
    return MARKED.sub(lambda _: table + "\n", PAGE.read_text())


def _table(rows: list[Value]) -> Iterator[str]:
    section: str | None = None
    for row in rows:
        if not row.default and not row.comment:  # a group that explains itself
            continue
        if row.section != section:
            section = row.section
            if section:
                yield f"\n### {section}"
            yield "\n| value | default | |\n| --- | --- | --- |"
        default = f"`{row.default}`" if row.default else ""
        yield f"| `{'.'.join(row.path)}` | {default} | {row.comment} |".replace("|  |", "| |")


if __name__ == "__main__":
    sys.stdout.write(page())
