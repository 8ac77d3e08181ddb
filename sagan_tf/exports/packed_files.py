"""Packs files into scripts, which a page can load when it is opened from a disk.

Browsers let such a page run the scripts beside it, but not read any other file. The
content is compressed with gzip, which browsers can unpack, and written in base64.
"""

import base64
import gzip
import pathlib
import re

from sagan_tf.files import write_text

_SCRIPT = '(self.packed ??= {{}})["{name}"] = "{text}";\n'
# Programs get smaller, weights hardly do. More effort only takes longer.
_EFFORT = 6


def pack(path, contents):
    """Writes a script that puts contents, packed, into the page's object `packed`.

    Args:
        path: path of the script.
        contents: dict of name to bytes.

    Raises:
        OSError: the script cannot be written.
    """
    text = "".join(
        _SCRIPT.format(
            name=name,
            # Time 0: the same content makes the same file.
            text=base64.b64encode(gzip.compress(content, _EFFORT, mtime=0)).decode(),
        )
        for name, content in contents.items()
    )
    write_text(path, text)


def unpack(path, name):
    """Returns the content with a name from a script of `pack`: bytes."""
    script = pathlib.Path(path).read_text(encoding="ascii")
    match = re.search(rf'\["{name}"\] = "([^"]*)"', script)
    return gzip.decompress(base64.b64decode(match.group(1)))
