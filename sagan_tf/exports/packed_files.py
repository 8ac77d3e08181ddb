"""Files as scripts, which a page can load where it cannot fetch: opened from a disk.

Browsers let a page from a disk run the scripts beside it, but read no other file. The
content is compressed by gzip, which browsers unpack, and written in base64.
"""

import base64
import gzip
import pathlib
import re

from sagan_tf.files import write_text

_SCRIPT = '(self.packed ??= {{}})["{name}"] = "{text}";\n'
# Weights hardly get smaller, programs do. More than this only takes longer.
_EFFORT = 6


def pack(path, contents):
    """Writes a script that puts contents, packed, into the page's object `packed`.

    Args:
        path: of the script.
        contents: dict of name to bytes.

    Raises:
        OSError: it cannot be written.
    """
    text = "".join(
        _SCRIPT.format(
            name=name,
            # Time 0: the same content is the same file.
            text=base64.b64encode(gzip.compress(content, _EFFORT, mtime=0)).decode(),
        )
        for name, content in contents.items()
    )
    write_text(path, text)


def unpack(path, name):
    """The content of that name in a script of `pack`: bytes."""
    script = pathlib.Path(path).read_text(encoding="ascii")
    found = re.search(rf'\["{name}"\] = "([^"]*)"', script)
    return gzip.decompress(base64.b64decode(found.group(1)))
