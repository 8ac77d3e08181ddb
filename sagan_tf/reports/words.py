"""Says what the metrics of an evaluation mean, and what to try."""

# A value is low below the first limit, and high from the second. We chose the limits
# from runs on digits, Fashion-MNIST and emoji: see docs/results.md.
_PRECISION = (0.3, 0.7)
_RECALL = (0.1, 0.4)
_COVERAGE = (0.3, 0.7)
_ACCURACY = (0.6, 0.9)


def explained(metrics, config, is_inception):
    """Returns the metrics that a person reads first, with their meaning.

    Args:
        metrics: dict, from a line of evaluations.jsonl, without null values.
        config: `Config` of the run; the advice leaves out what it has already.
        is_inception: bool, whether the feature network is TF-GAN's Inception.

    Returns:
        List of (name in `metrics`, words).
    """
    meanings = {
        "fid": _fid(is_inception),
        "precision": _level(
            metrics,
            "precision",
            _PRECISION,
            "few generated images pass for real ones. Train longer: --total_steps",
            "many generated images pass for real ones, many do not. Train longer, or "
            "try more channels",
            "most generated images pass for real ones, as the feature network sees "
            "them. Look at the grid yourself",
        ),
        "recall": _level(
            metrics,
            "recall",
            _RECALL,
            "the generator draws few different images of a class. " + _variety(config),
            "the generator draws part of what the real images show. "
            + _variety(config),
            "the generator draws much of what the real images show",
        ),
        "coverage": _level(
            metrics,
            "coverage",
            _COVERAGE,
            "few real images have a generated one near them",
            "some real images have a generated one near them",
            "most real images have a generated one near them",
        ),
        "class_accuracy": _level(
            metrics,
            "class_accuracy",
            _ACCURACY,
            "the classifier often sees another class in a generated image: the "
            "classes look alike, or the run is too short",
            "most generated images show their class",
            "nearly all generated images show their class",
        ),
    }
    return [(name, words) for name, words in meanings.items() if name in metrics]


def _fid(is_inception):
    if is_inception:
        return "the distance from the real images: lower is better, 0 is equal"
    return (
        "the distance from the real images: lower is better, 0 is equal. Compare it "
        "with other runs on these images only, not with published FIDs"
    )


def _level(metrics, name, limits, low, middle, high):
    value = metrics.get(name)
    if value is None:
        return ""
    return low if value < limits[0] else middle if value < limits[1] else high


def _variety(config):
    tries = []
    if not config.mode_seeking_weight:
        tries.append("--mode_seeking_weight=3")
    if not config.augment:
        tries.append("--augment=translation --augment_target=0.6")
    tries.append("more images")
    if config.discriminator_channels <= config.generator_channels:
        tries.append(
            "a wider discriminator: "
            f"--discriminator_channels={2 * config.generator_channels} (a new run)"
        )
    return "Try " + " or ".join(filter(None, [", ".join(tries[:-1]), tries[-1]]))
