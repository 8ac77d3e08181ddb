"""Results of evaluations as text: a heading, and a table."""

from sagan_tf.evaluation.comparison import TITLES

_PER_BLOCK = 3
_WIDTH, _LONGEST_HEAD = 13, 24
# Small numbers: KID is about a thousandth of FID.
_DIGITS = {"kid": 6, "kid_standard_error": 6}


def heading(protocol, network, reference):
    """Lines that name the protocol, the feature network and the real images."""
    about = reference.about
    return [
        *protocol.describe(),
        f"feature network: {network.name}, {network.num_features:,} features, sha256 "
        f"{network.hash[:12]}",
        f"real images: {reference.summary.count:,} of {about['description']}, "
        f"{about['resolution']} pixels, sha256 {about['content_hash'][:12]}",
    ]


def table(records, describe):
    """Lines of a table: a metric a row, a scored set of images a column.

    Args:
        records: list of dicts, see `evaluator.py`.
        describe: `FeatureNetwork.describe`, of the title "FID" for example.
    """
    lines = []
    for first in range(0, len(records), _PER_BLOCK):
        lines += _block(records[first : first + _PER_BLOCK], describe)
    return lines


def _block(records, describe):
    heads = [_head(record) for record in records]
    rows = [("", heads), ("images", [f"{r['num_fake']:,}" for r in records])]
    for name, title in TITLES.items():
        values = [r["metrics"].get(name) for r in records]
        if any(value is not None for value in values):
            digits = _DIGITS.get(name, 4)
            shown = ["-" if v is None else f"{v:.{digits}f}" for v in values]
            rows.append((describe(title), shown))
    rows.append(("images/s", [f"{r['images_per_second']:,.1f}" for r in records]))
    widths = [max(_WIDTH, len(head) + 2) for head in heads]
    name_width = max(len(name) for name, _ in rows)
    lines = [
        name.ljust(name_width)
        + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths))
        for name, cells in rows
    ]
    return ["", *lines]


def _head(record):
    if record["step"] is not None:
        return f"step {record['step']:,}"
    subject = str(record["subject"])
    if len(subject) > _LONGEST_HEAD:
        return "..." + subject[3 - _LONGEST_HEAD :]
    return subject
