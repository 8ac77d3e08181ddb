"""Runs the parity tests and writes their deviations into docs/precision.md.

python scripts/precision_table.py            # rewrites the table
python scripts/precision_table.py --check    # fails if the table lacks a quantity
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "precision.md"
BEGIN, END = "<!-- precision table: begin -->", "<!-- precision table: end -->"

CHECK = flags.DEFINE_bool("check", False, "Write nothing; fail if a row is missing.")


def measured():
    """Runs the parity tests.

    Returns:
        List of (quantity, dtype, largest deviation, tolerance).
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "precision.json")
        command = [sys.executable, "-m", "pytest", "-q", "tests/parity"]
        environment = {**os.environ, "SAGAN_PRECISION_FILE": path}
        result = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if result.returncode:
            sys.exit("The parity tests failed: the table is not changed.")
        with open(path, encoding="utf-8") as file:
            return json.load(file)


def table(rows):
    """Returns a Markdown table: a row per quantity, float32 beside float64."""
    quantities = {}
    for quantity, dtype, worst, tolerance in rows:
        quantities.setdefault(quantity, {})[dtype] = f"{worst:.1e} ({tolerance:.0e})"
    lines = ["| quantity | float32 | float64 |", "| --- | --- | --- |"]
    for quantity, cells in quantities.items():
        cells = [cells.get(dtype, "") for dtype in ("float32", "float64")]
        lines.append(f"| {quantity} | {' | '.join(cells)} |")
    return "\n".join(lines)


def split_readme():
    """Returns the text of docs/precision.md before, inside and after the table."""
    text = PAGE.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        sys.exit(f"docs/precision.md has no lines {BEGIN!r} and {END!r} for the table.")
    before, rest = text.split(BEGIN)
    inside, after = rest.split(END)
    return before, inside, after


def main(argv):
    """Rewrites or checks the table."""
    if argv[1:]:
        sys.exit(f"Unexpected argument {argv[1]!r}. Try --help.")
    before, inside, after = split_readme()
    rows = measured()
    if CHECK.value:
        missing = sorted({q for q, *_ in rows if f"| {q} |" not in inside})
        if missing:
            sys.exit(f"{PAGE} lacks {missing}. Run scripts/precision_table.py.")
        return
    text = f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{after}"
    temporary = PAGE.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(PAGE)


if __name__ == "__main__":
    app.run(main)
