"""A report as a page: HTML that holds its images, and Markdown beside them."""

import base64
import dataclasses
import html
import pathlib
import string

_PAGE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem;
  padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; margin-bottom: 0; }
h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #8886; }
table { border-collapse: collapse; }
td, th { padding: 0.2rem 1rem 0.2rem 0; text-align: left; vertical-align: top; }
td { min-width: 4rem; }
figure { margin: 1rem 0; }
figcaption { color: GrayText; }
img { max-width: 100%; height: auto; background: white; }
pre { background: #8882; padding: 0.7rem; overflow-x: auto; }
nav a { margin-right: 1rem; }
</style>
</head>
<body>
<h1>$title</h1>
<nav>$links</nav>
$sections
</body>
</html>
""")


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        title: str.
        text: list of str, paragraphs.
        rows: list of tuples of str of one length, a table.
        figures: list of (path of a PNG, caption).
        commands: list of str.
    """

    title: str
    text: list = dataclasses.field(default_factory=list)
    rows: list = dataclasses.field(default_factory=list)
    figures: list = dataclasses.field(default_factory=list)
    commands: list = dataclasses.field(default_factory=list)


def as_html(title, sections):
    """Returns the page: str. It loads nothing else, so it can be sent to others."""
    links = (f'<a href="#{_anchor(s)}">{html.escape(s.title)}</a>' for s in sections)
    return _PAGE.substitute(
        title=html.escape(title),
        links="\n".join(links),
        sections="\n".join(_html_section(section) for section in sections),
    )


def _anchor(section):
    return "".join(c if c.isalnum() else "-" for c in section.title.lower())


def _html_section(section):
    parts = [f'<h2 id="{_anchor(section)}">{html.escape(section.title)}</h2>']
    parts += [f"<p>{html.escape(text)}</p>" for text in section.text]
    if section.rows:
        rows = (
            "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
            for row in section.rows
        )
        parts.append(
            "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
        )
    for path, caption in section.figures:
        content = base64.b64encode(pathlib.Path(path).read_bytes()).decode("ascii")
        words = html.escape(caption)
        parts.append(
            f'<figure><figcaption>{words}</figcaption><img alt="{words}" '
            f'src="data:image/png;base64,{content}"></figure>'
        )
    if section.commands:
        parts.append(f"<pre>{html.escape(chr(10).join(section.commands))}</pre>")
    return "\n".join(parts)


def as_markdown(title, sections, folder):
    """Returns the page as Markdown: str. It links images relative to `folder`."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        for text in section.text:
            lines += [text, ""]
        if section.rows:
            columns = len(section.rows[0])
            lines += [_row([""] * columns), _row(["---"] * columns)]
            lines += [*map(_row, section.rows), ""]
        for path, caption in section.figures:
            place = pathlib.Path(path).relative_to(folder).as_posix()
            lines += [f"![{caption}]({place})", "", caption, ""]
        if section.commands:
            lines += ["```", *section.commands, "```", ""]
    return "\n".join(lines)


def _row(cells):
    escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"
