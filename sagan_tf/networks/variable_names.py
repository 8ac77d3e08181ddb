"""Names of the variables of our networks."""

import itertools


def variables_by_name(network):
    """Returns the variables of a network by names that do not depend on its creation.

    A name is Keras' path without the repeated part that `SpectralNormalization` adds:
    `block_8x8/convolution_1/kernel`, `block_8x8/convolution_1/u`,
    `attention_32x32/gamma`. Apart from `u`, names are the same without spectral
    normalization, and in a copy by `keras.models.clone_model`, whose paths differ.

    Args:
        network: built `keras.Model`.

    Returns:
        Dict of str to variable.
    """

    def name(variable):
        return "/".join(part for part, _ in itertools.groupby(variable.path.split("/")))

    return {name(variable): variable for variable in network.variables}
