"""What the inputs and outputs of an export mean, in words."""

# A format of one network has no checks of its own: this says what to give it.
_MEANINGS = {
    "z": "latent vectors, drawn from N(0, I); finite",
    "labels": "classes, from 0 to {last}",
    "seeds": "any numbers: z is drawn from them",
    "truncation": "0 for none, or the factor of a z cut at two standard deviations",
    "images": "rows from the top, {colours}, values in [-1, 1]",
    "pixels": "rows from the top, {colours}, 0 to 255",
    "png_bytes": "PNG files",
}
_ATTENTION = (
    "what share each location (two axes) takes from each location that the layer looks "
    "at (two axes)"
)


def meanings(signatures, config):
    """What each tensor of some signatures means.

    Args:
        signatures: dict, see `ServedModel.signatures`.
        config: dict with `"num_classes"` and `"image_channels"`.

    Returns:
        Dict of a tensor's name to str.
    """
    words = {
        "last": config["num_classes"] - 1,
        "colours": "grey" if config["image_channels"] == 1 else "red, green, blue",
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
