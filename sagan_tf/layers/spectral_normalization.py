"""Spectral normalization as a reparametrization of any layer's weight."""

import keras
import numpy as np
from keras import ops

# Keras casts a variable that is read inside a mixed-precision layer. Sigma is computed
# from the full-precision weight, and this scope, which has no public name, is the only
# way to read it there.
from keras.src.backend.common.variables import AutocastScope

from sagan_tf.errors import BadInput
from sagan_tf.layers.power_iteration import divide_by_sigma, iterate, sigma_of


@keras.saving.register_keras_serializable(package="sagan_tf")
class SpectralNormalization(keras.layers.Wrapper):
    """Runs a layer with its weight divided by its largest singular value.

    The wrapped layer sees `W / sigma`, with sigma from one power iteration (see
    `power_iteration.py`) on the weight as a matrix `M` and a row vector `u` that is
    kept between steps. The stored weight stays `W`: the division is part of the graph,
    so the gradient passes through sigma and, as in the official code, through the
    power iteration. `u` is updated only when `training=True` and the layer is
    trainable; in inference the iteration runs but nothing is stored.

    Everything is computed in float32 (float64 for a float64 layer), even under mixed
    precision. A zero weight gives zero and a zero gradient through sigma, and does not
    change `u`. Second derivatives with respect to the weight are not supported.

    Differs from the official code: there, the generator's `u` also changes in
    inference, so the same z gives a different image at each call.

    `M` for each kind of layer: kernels `(..., c_in, c_out)` are flattened to
    `(... * c_in, c_out)`; kernels of transposed convolutions `(kh, kw, c_out, c_in)`
    to `(kh * kw * c_in, c_out)`; embeddings `(classes, dim)` are transposed to
    `(dim, classes)`, as in the official code.

    The layer's Lipschitz constant is at most 1 where `M` is the matrix that it
    multiplies by: Dense, Embedding and 1x1 convolutions. For larger convolutions it may
    be larger, as in Miyato et al. For an `EinsumDense` whose kernel `(c, d, e)` maps c
    values to d * e, it is at most the square root of the smaller of d and e.

    Args:
        layer: a `keras.layers.Layer` that has a `kernel` or `embeddings` weight.
        power_iterations: int >= 1, iterations per call.
        stop_gradient: bool. `False` (official): differentiate through `u` and `v`.
            `True` (Miyato et al., most PyTorch code): hold both constant.
        epsilon: float, added to both norms.
        clamp_sigma: bool. `True` divides by max(1, sigma), so that small weights stay
            as they are. TF-GAN does so outside attention.
        dtype: defaults to the wrapped layer's.

    Call arguments:
        inputs: whatever the wrapped layer takes.
        training: bool, whether `u` is updated.

    Returns:
        What the wrapped layer returns.

    Raises:
        BadInput: `power_iterations` is not a positive int; the layer has neither
            `kernel` nor `embeddings`, or computes it (`enable_lora`, `quantize`), so
            that the weight that it uses would not be normalized.

    Reference:
        - Miyato et al., Spectral Normalization for GANs, arXiv 1802.05957
        - self-attention-gan `ops.py`: `spectral_normed_weight`
        - TF-GAN `python/features/spectral_normalization.py` (`clamp_sigma`)
    """

    def __init__(
        self,
        layer,
        power_iterations=1,
        stop_gradient=False,
        epsilon=1e-12,
        clamp_sigma=False,
        dtype=None,
        **kwargs,
    ):
        if not isinstance(power_iterations, int) or power_iterations < 1:
            raise BadInput(
                "power_iterations must be an int of at least 1. "
                f"Received: power_iterations={power_iterations!r}. Try 1."
            )
        if not isinstance(layer, keras.layers.Layer):
            raise BadInput(
                "layer must be a keras.layers.Layer. "
                f"Received: {layer!r}. Try keras.layers.Dense(10)."
            )
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.power_iterations = power_iterations
        self.stop_gradient = stop_gradient
        self.epsilon = epsilon
        self.clamp_sigma = clamp_sigma

    def build(self, input_shape=None):
        super().build(input_shape)
        self.u = self.add_weight(
            shape=(1, self.weight.shape[-2 if self._has_outputs_before_last() else -1]),
            initializer=keras.initializers.TruncatedNormal(stddev=1.0),
            dtype=self._sigma_dtype(),
            trainable=False,
            autocast=False,
            # Every replica computes the same value from the same weight.
            aggregation="only_first_replica",
            name="u",
        )

    def call(self, inputs, training=False):
        weight = self.normalized_weight(update_u=bool(training) and self.trainable)
        # The other weights get their current values, which may come from a scope around
        # this one (a functional training loop on JAX).
        values = [
            (variable, weight if variable is self.weight else variable.value)
            for variable in self.layer.variables
        ]
        with keras.StatelessScope(values, collect_losses=True) as scope:
            outputs = self.layer(inputs)
        # The losses of an activity regularizer. They are multiplied by 1, because the
        # wrapped layer has noted the losses themselves as its own.
        self.add_loss([1 * loss for loss in scope.losses])
        return outputs

    @property
    def weight(self):
        """The wrapped layer's weight variable, before the division."""
        for name in ("kernel", "embeddings"):
            if hasattr(self.layer, name):
                return self._stored(getattr(self.layer, name))
        raise BadInput(
            "SpectralNormalization needs a layer with a `kernel` or `embeddings` "
            f"weight. Received: {self.layer.__class__.__name__}. "
            "Try a Dense, Conv or Embedding layer."
        )

    def _stored(self, weight):
        """Returns the weight if it is the float variable that the layer uses."""
        is_stored = any(weight is variable for variable in self.layer.variables)
        quantized = getattr(self.layer, "quantization_mode", None)
        if is_stored and not quantized and keras.backend.is_float_dtype(weight.dtype):
            return weight
        raise BadInput(
            "SpectralNormalization needs a layer whose weight is a float variable. "
            f"Received: {self.layer.name}, which computes it (LoRA, quantization). Try "
            "enable_lora and quantize on layers without SpectralNormalization, or fold "
            "the network first."
        )

    def normalized_weight(self, update_u=False):
        """Computes `W / sigma`, or `W / max(1, sigma)` if clamped, differentiably.

        Args:
            update_u: bool, whether to store the iterated `u`.

        Returns:
            Tensor of the weight's shape, float32 (float64 for a float64 weight).
        """
        normalized, u = divide_by_sigma(
            self._full_precision_weight(),
            self._stored_u(),
            self._as_matrix,
            self._as_weight,
            self.power_iterations,
            self.stop_gradient,
            self.clamp_sigma,
            self.epsilon,
        )
        if update_u:
            self.u.assign(u)
        return normalized

    def sigma(self):
        """Returns the estimate of the largest singular value: float scalar tensor."""
        matrix = self._as_matrix(self._full_precision_weight())
        steps = iterate(matrix, self._stored_u(), self.power_iterations, self.epsilon)
        return sigma_of(steps[-1])

    def exact_sigma(self):
        """Returns the largest singular value of the current weight: float.

        It comes from the eigenvalues of the smaller Gram matrix, in float64. This takes
        about a second for the largest kernels of the official networks.
        """
        matrix = ops.convert_to_numpy(self._as_matrix(self._full_precision_weight()))
        matrix = matrix.astype("float64")
        wide = matrix.shape[0] < matrix.shape[1]
        gram = matrix @ matrix.T if wide else matrix.T @ matrix
        return float(np.sqrt(max(np.linalg.eigvalsh(gram)[-1], 0.0)))

    def _full_precision_weight(self):
        with AutocastScope(None):
            return ops.cast(self.weight, self._sigma_dtype())

    def _stored_u(self):
        with AutocastScope(None):
            # A copy: the variable may have changed when the gradient is computed.
            return ops.stop_gradient(ops.convert_to_tensor(self.u))

    def _as_matrix(self, weight):
        if self._has_outputs_before_last():
            weight = ops.swapaxes(weight, -1, -2)
        return ops.reshape(weight, (-1, weight.shape[-1]))

    def _as_weight(self, matrix):
        """The inverse of `_as_matrix`."""
        shape = tuple(self.weight.shape)
        if not self._has_outputs_before_last():
            return ops.reshape(matrix, shape)
        return ops.swapaxes(ops.reshape(matrix, (*shape[:-2], *shape[:-3:-1])), -1, -2)

    def _has_outputs_before_last(self):
        """Returns True if the weight's second-to-last axis is the last axis of `M`."""
        transposed = (
            keras.layers.Conv1DTranspose,
            keras.layers.Conv2DTranspose,
            keras.layers.Conv3DTranspose,
        )
        return not hasattr(self.layer, "kernel") or isinstance(self.layer, transposed)

    def _sigma_dtype(self):
        return keras.backend.result_type(self.layer.variable_dtype, "float32")

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "power_iterations": self.power_iterations,
            "stop_gradient": self.stop_gradient,
            "epsilon": self.epsilon,
            "clamp_sigma": self.clamp_sigma,
        }
