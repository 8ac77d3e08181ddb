"""Spectral normalisation as a reparametrisation of any layer's weight."""

import contextlib
import contextvars
import dataclasses

import keras
import numpy as np
from keras import ops

# Keras casts a variable that is read inside a mixed-precision layer. Sigma is computed
# from the full-precision weight, and this scope, which has no public name, is the only
# way to read it there.
from keras.src.backend.common.variables import AutocastScope

from sagan_tf.errors import BadInput

# Tensors by layer, for the calls inside `shared_weights`. A context variable, because
# replicas are threads.
_SHARED = contextvars.ContextVar("sagan_tf_shared_weights", default=None)


@dataclasses.dataclass(frozen=True)
class _Iteration:
    """One power iteration: `v = a / (|a| + epsilon)`, `u = b / (|b| + epsilon)`.

    With `a = u_before M^T` and `b = v M`. All are rows.
    """

    u_before: object
    a_norm: object
    v: object
    b_norm: object
    u: object


def _times_transposed(row, matrix):
    """`row matrix^T`, without moving the matrix: `(1, m)`, `(n, m)` to `(1, n)`."""
    return ops.reshape(ops.matmul(matrix, ops.reshape(row, (-1, 1))), (1, -1))


def _norm(x):
    return ops.sqrt(ops.sum(ops.square(x)))


def _quotient_gradient(gradient, unit, norm, epsilon):
    """Back through `unit = x / (|x| + epsilon)`: from d / d unit to d / d x."""
    radial = ops.sum(gradient * unit) / ops.maximum(norm, epsilon)
    return gradient / (norm + epsilon) - radial * unit


@keras.saving.register_keras_serializable(package="sagan_tf")
class SpectralNormalization(keras.layers.Wrapper):
    """Runs a layer with its weight divided by its largest singular value.

    With `M` the weight as a matrix `(inputs, outputs)` and `u` a row vector that is
    kept between steps, one power iteration is

        v = u M^T / |u M^T|,   u' = v M / |v M|,   sigma = v M u'^T,

    and the wrapped layer sees `W / sigma`. The stored weight stays `W`: the division is
    part of the graph, so the gradient passes through sigma and, as in the official
    code, through the power iteration. `u` takes the value `u'` only when
    `training=True` (and the layer is trainable); in inference the iteration runs but
    nothing is stored.

    The gradient is written out, not derived, and so is a first derivative alone: a
    derivative of it by the weight lacks the part through sigma.

    Everything is computed in float32 (float64 for a float64 layer), also under mixed
    precision. A zero weight gives zero, a zero gradient through sigma, and leaves `u`
    alone.

    Differs from the official code: there, the generator's `u` moves at inference too,
    so that the same z gives another picture at each call.

    `M` per kind of layer: kernels `(..., c_in, c_out)` are flattened to
    `(... * c_in, c_out)`; the kernels of transposed convolutions
    `(kh, kw, c_out, c_in)` to `(kh * kw * c_in, c_out)`; embeddings `(classes, dim)`
    are transposed to `(dim, classes)`, as the official code does.

    Args:
        layer: a `keras.layers.Layer` that has a `kernel` or `embeddings` weight.
        power_iterations: int >= 1, iterations per call.
        stop_gradient: bool. `False` (official): differentiate through `u'` and `v`.
            `True` (Miyato et al., most PyTorch code): hold both constant, so that
            d sigma / dM = v^T u'.
        epsilon: float, added to both norms.
        clamp_sigma: bool. `True` divides by max(1, sigma), so that small weights stay
            as they are: what TF-GAN does outside attention.
        dtype: defaults to the wrapped layer's.

    Call arguments:
        inputs: whatever the wrapped layer takes.
        training: bool, whether `u` moves.

    Returns:
        What the wrapped layer returns.

    Raises:
        BadInput: `power_iterations` is not a positive int, or the layer has neither
            `kernel` nor `embeddings`.

    Reference:
        - Miyato et al., Spectral Normalization for GANs, arXiv 1802.05957, Algorithm 1
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
        if dtype is None:
            dtype = layer.dtype_policy
        super().__init__(layer, dtype=dtype, **kwargs)
        self.power_iterations = power_iterations
        self.stop_gradient = stop_gradient
        self.epsilon = epsilon
        self.clamp_sigma = clamp_sigma

    def build(self, input_shape=None):
        super().build(input_shape)
        self.u = self.add_weight(
            shape=(1, self._output_size()),
            initializer=keras.initializers.TruncatedNormal(stddev=1.0),
            dtype=self._sigma_dtype(),
            trainable=False,
            autocast=False,
            # Every replica computes the same value from the same weight.
            aggregation="only_first_replica",
            name="u",
        )

    def call(self, inputs, training=False):
        weight = (_SHARED.get() or {}).get(id(self))
        if weight is None:
            weight = self.normalized_weight(update_u=bool(training) and self.trainable)
        # The other weights get their present values, so that a scope around this one
        # (a functional training loop on JAX) is seen through.
        values = [
            (variable, weight if variable is self.weight else variable.value)
            for variable in self.layer.variables
        ]
        with keras.StatelessScope(state_mapping=values):
            return self.layer(inputs)

    @property
    def weight(self):
        """The wrapped layer's weight variable that is normalised, unnormalised."""
        for name in ("kernel", "embeddings"):
            if hasattr(self.layer, name):
                return getattr(self.layer, name)
        raise BadInput(
            "SpectralNormalization needs a layer with a `kernel` or `embeddings` "
            f"weight. Received: {self.layer.__class__.__name__}. "
            "Try a Dense, Conv or Embedding layer."
        )

    def normalized_weight(self, update_u=False):
        """`W / sigma` (`W / max(1, sigma)` if it is clamped), differentiable.

        Args:
            update_u: bool, whether to store the iterated `u`.

        Returns:
            Tensor of the weight's shape, float32 (float64 for a float64 weight).
        """
        weight = self._full_precision_weight()
        # Its gradient is written out below.
        iterations = self._iterate(self._as_matrix(ops.stop_gradient(weight)))
        last = iterations[-1]
        if update_u:
            self.u.assign(
                ops.where(ops.equal(last.b_norm, 0), self._stored_u(), last.u)
            )
        sigma = self._sigma(last)
        is_constant = ops.less(sigma, 1) if self.clamp_sigma else ops.equal(sigma, 0)
        sigma = ops.where(is_constant, ops.ones_like(sigma), sigma)

        # TensorFlow would derive the same gradient in three times the operations, and
        # pass over the weight six times instead of three.
        @ops.custom_gradient
        def divide(weight):
            normalized = weight / sigma

            def gradient(*args, upstream=None):
                upstream = args[0] if upstream is None else upstream
                # d (W / sigma) = dW / sigma - <dW, W / sigma> / sigma * d sigma
                inner = ops.sum(upstream * normalized)
                of_sigma = -inner / sigma
                if self.clamp_sigma:
                    of_sigma = ops.where(is_constant, 0.0, of_sigma)
                correction = self._sigma_gradient(iterations, matrix, of_sigma)
                return upstream / sigma + self._as_weight(correction)

            matrix = self._as_matrix(weight)
            return normalized, gradient

        return divide(weight)

    def sigma(self):
        """The present estimate of the largest singular value: float scalar tensor."""
        matrix = self._as_matrix(self._full_precision_weight())
        return self._sigma(self._iterate(matrix)[-1])

    def exact_sigma(self):
        """The largest singular value of the present weight: float.

        From the eigenvalues of the smaller Gram matrix, in float64: for a look now and
        then, of a second or so for the official network's largest kernels.
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
            # Not the variable, which may have moved when the gradient is computed.
            return ops.stop_gradient(ops.convert_to_tensor(self.u))

    def _iterate(self, matrix):
        """The power iterations of one call: list of `_Iteration`."""
        u, iterations = self._stored_u(), []
        for _ in range(self.power_iterations):
            a = _times_transposed(u, matrix)
            a_norm = _norm(a)
            v = a / (a_norm + self.epsilon)
            b = ops.matmul(v, matrix)
            b_norm = _norm(b)
            before, u = u, b / (b_norm + self.epsilon)
            iterations.append(_Iteration(before, a_norm, v, b_norm, u))
        return iterations

    def _sigma(self, last):
        """`sigma = b u^T` with `u = b / (|b| + epsilon)`."""
        return ops.square(last.b_norm) / (last.b_norm + self.epsilon)

    def _sigma_gradient(self, iterations, matrix, factor):
        """`factor * d sigma / d M`: a sum of products of a column and a row."""
        last = iterations[-1]
        if self.stop_gradient:
            return ops.matmul(ops.transpose(last.v), factor * last.u)
        columns, rows = [], []
        # sigma = |b|^2 / (|b| + epsilon); the factor is 1 but for epsilon.
        of_b = last.u * (2 - last.b_norm / (last.b_norm + self.epsilon))
        for index, step in reversed(list(enumerate(iterations))):
            of_v = _times_transposed(of_b, matrix)
            of_a = _quotient_gradient(of_v, step.v, step.a_norm, self.epsilon)
            columns += [step.v, of_a]
            rows += [of_b, step.u_before]
            if index:
                before = iterations[index - 1]
                of_u = ops.matmul(of_a, matrix)
                of_b = _quotient_gradient(of_u, before.u, before.b_norm, self.epsilon)
        columns, rows = ops.concatenate(columns, 0), ops.concatenate(rows, 0)
        return ops.matmul(ops.transpose(columns), factor * rows)

    def _as_matrix(self, weight):
        if self._is_embedding():
            return ops.transpose(weight)
        if self._is_transposed_convolution():
            weight = ops.swapaxes(weight, -1, -2)
        return ops.reshape(weight, (-1, self._output_size()))

    def _as_weight(self, matrix):
        """The inverse of `_as_matrix`."""
        if self._is_embedding():
            return ops.transpose(matrix)
        shape = tuple(self.weight.shape)
        if self._is_transposed_convolution():
            shape = (*shape[:-2], shape[-1], shape[-2])
            return ops.swapaxes(ops.reshape(matrix, shape), -1, -2)
        return ops.reshape(matrix, shape)

    def _output_size(self):
        if self._is_embedding():
            return self.weight.shape[0]
        return self.weight.shape[-2 if self._is_transposed_convolution() else -1]

    def _is_embedding(self):
        return not hasattr(self.layer, "kernel")

    def _is_transposed_convolution(self):
        return isinstance(
            self.layer,
            (
                keras.layers.Conv1DTranspose,
                keras.layers.Conv2DTranspose,
                keras.layers.Conv3DTranspose,
            ),
        )

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


def normalized_weights(network, update_u=False):
    """Every `W / sigma` of a network, to be used in several calls of it.

    Args:
        network: `keras.Model`.
        update_u: bool, whether each `u` moves.

    Returns:
        Dict for `shared_weights`.
    """
    return {
        id(layer): layer.normalized_weight(update_u and layer.trainable)
        for layer in network._flatten_layers()
        if isinstance(layer, SpectralNormalization)
    }


@contextlib.contextmanager
def shared_weights(weights):
    """Inside, the layers use these weights: no power iteration, and no `u` moves.

    Args:
        weights: from `normalized_weights`.
    """
    token = _SHARED.set(weights)
    try:
        yield
    finally:
        _SHARED.reset(token)
