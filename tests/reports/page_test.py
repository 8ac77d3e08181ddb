"""A report as HTML and as Markdown."""

import numpy as np

from sagan_tf import images
from sagan_tf.reports.page import Section, as_html, as_markdown


def sections(folder):
    images.write_png(folder / "a.png", np.zeros((2, 3, 1), np.uint8))
    return [
        Section("One & all", ["<b>text</b>"], [("a|b", "c"), ("d", "e")]),
        Section("Two", figures=[(folder / "a.png", "<a>")], commands=["a < b", "c"]),
    ]


def test_html_holds_its_images_and_no_text_becomes_markup(tmp_path):
    page = as_html("<t>", sections(tmp_path))
    assert "<title>&lt;t&gt;</title>" in page
    assert "&lt;b&gt;text&lt;/b&gt;" in page and "<b>" not in page and "<a>" not in page
    assert page.count("data:image/png;base64,iVBOR") == 1
    assert "a &lt; b\nc" in page
    assert "http" not in page and 'href="#one---all"' in page


def test_markdown_links_its_images(tmp_path):
    lines = as_markdown("t", sections(tmp_path), tmp_path).splitlines()
    assert lines[0] == "# t"
    assert "![<a>](a.png)" in lines
    table = lines.index("|  |  |")
    assert lines[table + 1 : table + 4] == [
        *("| --- | --- |", "| a\\|b | c |", "| d | e |")
    ]
