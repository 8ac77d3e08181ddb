"""The data set of a run, opened as its config says."""

from sagan_tf import data


def open_source(config):
    """Opens the data set: `data.Source`.

    Args:
        config: `Config`.

    Raises:
        ValueError: the data set cannot be used.
    """
    return data.open_source(
        config.dataset,
        split=config.split,
        data_dir=config.data_dir,
        manual_dir=config.manual_dir,
        label_offset=config.label_offset,
        skip_bad_images=config.skip_bad_images,
    )


def open_data(config):
    """Opens the data set and settles the number of classes.

    Args:
        config: `Config`.

    Returns:
        `data.Source`, and the config with `num_classes` as an int.

    Raises:
        ValueError: the data set cannot be used, or has other classes.
    """
    source = open_source(config)
    num_classes = data.resolve_num_classes(source, config.num_classes)
    return source, config.replace(num_classes=num_classes)


def describe_data(source):
    """What data.json says about a data set: dict."""
    return {
        "description": source.description,
        "num_images": source.num_images,
        "num_classes": source.num_classes,
        "class_names": list(source.class_names),
    }
