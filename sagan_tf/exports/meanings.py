"""Describes the inputs and outputs of an export in words."""

# Formats with one network do not check their inputs. These words tell what is valid.
_MEANINGS = {
    "z": "latent vectors, drawn from N(0, I); finite",
    "labels": "classes, from 0 to {last}",
    "seeds": "any numbers, from which z is drawn",
    "truncation": "0 for none, or the factor of a z cut at two standard deviations",
    "images": "rows from the top, {colours}, values in [-1, 1]",
    "pixels": "rows from the top, {colours}, 0 to 255",
    "png_bytes": "PNG files",
}
_ATTENTION = (
    "the share of attention that each location (two axes) gives to each location that "
    "the layer looks at (two axes)"
)


def meanings(signatures, config):
    """Returns the meaning of each tensor of some signatures.

    Args:
        signatures: dict, see `ServedModel.signatures`.
        config: dict with `"num_classes"` and `"image_channels"`.

    Returns:
        Dict of a tensor's name to str.
    """
    words = {
        "last": config["num_classes"] - 1,
        "colours": "gray" if config["image_channels"] == 1 else "red, green, blue",
    }
    names = {
        name
        for signature in signatures.values()
        for tensors in (signature["inputs"], signature["outputs"])
        for name in tensors
    }
    return {
        name: _MEANINGS.get(name, _ATTENTION).format(**words) for name in sorted(names)
    }
