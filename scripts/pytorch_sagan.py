"""A SAGAN in PyTorch, to which benchmark.py and gpu_benchmark.py compare ours.

The networks and the training step are those of `build_generator`, `build_discriminator`
and `SAGAN` with their defaults, written in PyTorch's usual way: `spectral_norm` of
`torch.nn.utils.parametrizations`, channels_last, fused Adam, one pass of D over real
and fake images. The shortcuts convolve the smaller map, which gives the same for a
quarter of the cost. Nothing else is rearranged.

Shapes are PyTorch's, `(B, C, H, W)`; in memory the channels are last.
"""

import os

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

# Widths in multiples of `channels`: after the linear layer, then of each block. They
# are those of sagan_tf/networks/builders.py, whose import would load Keras and its
# backend into PyTorch's process. `check_peer` and the tests compare the parameters.
GENERATOR_WIDTHS = {
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
}
DISCRIMINATOR_WIDTHS = {
    32: (4, 4, 4, 4),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
}
Z_DIM = 128


def convolution(inputs, outputs, size, bias=True):
    """A spectrally normalized convolution that keeps height and width."""
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=bias)
    return spectral_norm(layer)


def upsample(x):
    """Repeats each pixel 2x2 times."""
    return functional.interpolate(x, scale_factor=2)


class ConditionalBatchNorm(nn.Module):
    """Batch normalization with a gain and a bias per class."""

    def __init__(self, channels, num_classes):
        super().__init__()
        self.normalization = nn.BatchNorm2d(channels, momentum=0.001, affine=False)
        self.gain = nn.Embedding(num_classes, channels)
        self.bias = nn.Embedding(num_classes, channels)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x, labels):
        x = self.normalization(x)
        gain, bias = (
            table(labels)[:, :, None, None].to(x.dtype)
            for table in (self.gain, self.bias)
        )
        return torch.addcmul(bias, gain, x)


class SelfAttention(nn.Module):
    """Attention with C/8 channels in queries and keys; keys and values are pooled."""

    def __init__(self, channels):
        super().__init__()
        narrow, values = max(channels // 8, 1), max(channels // 2, 1)
        self.query = convolution(channels, narrow, 1, bias=False)
        self.key = convolution(channels, narrow, 1, bias=False)
        self.value = convolution(channels, values, 1, bias=False)
        self.output = convolution(values, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        # (B, locations, channels), which is how channels_last lies in memory.
        queries, keys, values = (
            each.flatten(2).transpose(1, 2)
            for each in (
                self.query(x),
                functional.max_pool2d(self.key(x), 2),
                functional.max_pool2d(self.value(x), 2),
            )
        )
        scores = torch.softmax(torch.bmm(queries, keys.transpose(1, 2)), dim=-1)
        attended = torch.bmm(scores.to(values.dtype), values)
        attended = attended.transpose(1, 2).unflatten(2, x.shape[2:])
        return x + self.gamma.to(x.dtype) * self.output(attended)


class GeneratorBlock(nn.Module):
    """A residual block that doubles height and width."""

    def __init__(self, inputs, outputs, num_classes):
        super().__init__()
        self.batch_norm_1 = ConditionalBatchNorm(inputs, num_classes)
        self.convolution_1 = convolution(inputs, outputs, 3)
        self.batch_norm_2 = ConditionalBatchNorm(outputs, num_classes)
        self.convolution_2 = convolution(outputs, outputs, 3)
        self.shortcut = convolution(inputs, outputs, 1)

    def forward(self, x, labels):
        h = functional.relu(self.batch_norm_1(x, labels))
        h = self.convolution_1(upsample(h))
        h = functional.relu(self.batch_norm_2(h, labels))
        return self.convolution_2(h) + upsample(self.shortcut(x))


class Generator(nn.Module):
    """Images `(B, 3, R, R)` in [-1, 1] of z `(B, 128)` and labels `(B,)`."""

    def __init__(self, resolution, channels, num_classes, attention_resolution):
        super().__init__()
        first, *widths = (channels * n for n in GENERATOR_WIDTHS[resolution])
        self.linear = spectral_norm(nn.Linear(Z_DIM, 4 * 4 * first))
        self.blocks, self.attention = nn.ModuleList(), nn.ModuleDict()
        inputs, size = first, 4
        for width in widths:
            size *= 2
            self.blocks.append(GeneratorBlock(inputs, width, num_classes))
            if size == attention_resolution:
                self.attention[str(size)] = SelfAttention(width)
            inputs = width
        self.batch_norm = nn.BatchNorm2d(inputs, momentum=0.0001, eps=1.001e-5)
        self.convolution = convolution(inputs, 3, 3)

    def forward(self, z, labels):
        x = self.linear(z).unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)
        for block in self.blocks:
            x = block(x, labels)
            if str(x.shape[2]) in self.attention:
                x = self.attention[str(x.shape[2])](x)
        x = functional.relu(self.batch_norm(x))
        return torch.tanh(self.convolution(x).float())


class DiscriminatorBlock(nn.Module):
    """A residual block that may halve height and width. The first one sees images."""

    def __init__(self, inputs, outputs, halves, is_first):
        super().__init__()
        self.halves, self.is_first = halves, is_first
        self.convolution_1 = convolution(inputs, outputs, 3)
        self.convolution_2 = convolution(outputs, outputs, 3)
        changes = halves or inputs != outputs
        self.shortcut = convolution(inputs, outputs, 1) if changes else nn.Identity()

    def forward(self, x):
        h = self.convolution_1(x if self.is_first else functional.relu(x))
        h = self.convolution_2(functional.relu(h))
        if self.halves:
            h, x = functional.avg_pool2d(h, 2), functional.avg_pool2d(x, 2)
        return h + self.shortcut(x)


class Discriminator(nn.Module):
    """Logits `(B,)` of images `(B, 3, R, R)` and labels `(B,)`: a projection head."""

    def __init__(self, resolution, channels, num_classes, attention_resolution):
        super().__init__()
        self.blocks, self.attention = nn.ModuleList(), nn.ModuleDict()
        widths = [channels * n for n in DISCRIMINATOR_WIDTHS[resolution]]
        # The last map is 4x4; at 32 pixels 8x8.
        inputs, size, last = 3, resolution, 8 if resolution == 32 else 4
        for index, width in enumerate(widths):
            halves = size > last
            size //= 2 if halves else 1
            block = DiscriminatorBlock(inputs, width, halves, index == 0)
            self.blocks.append(block)
            if halves and size == attention_resolution:
                self.attention[str(index)] = SelfAttention(width)
            inputs = width
        self.linear = spectral_norm(nn.Linear(inputs, 1))
        self.embedding = spectral_norm(nn.Embedding(num_classes, inputs))

    def forward(self, images, labels):
        x = images
        for index, block in enumerate(self.blocks):
            x = block(x)
            if str(index) in self.attention:
                x = self.attention[str(index)](x)
        features = functional.relu(x).float().sum((2, 3))
        projected = (features * self.embedding(labels)).sum(1)
        return self.linear(features)[:, 0].float() + projected


def make_networks(settings):
    """Returns the generator and the discriminator on the device, channels last.

    Args:
        settings: dict of the script's flags.
    """
    torch.manual_seed(0)
    # All cores of this process, as in TensorFlow and JAX. By default PyTorch takes one
    # thread for the two of a core.
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    sizes = [settings["resolution"], settings["channels"], settings["num_classes"]]
    sizes.append(settings["attention_resolution"])
    networks = Generator(*sizes), Discriminator(*sizes)
    return [each.to(device(), memory_format=torch.channels_last) for each in networks]


def device():
    """Returns `"cuda"` if PyTorch sees a GPU, otherwise `"cpu"`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def precision(dtype_policy):
    """Returns a context that computes like a Keras policy: float32 or bfloat16."""
    enabled = dtype_policy == "mixed_bfloat16"
    return torch.autocast(device(), torch.bfloat16, enabled=enabled)


def facts(networks):
    """Returns facts about this side for the report: a dict.

    Args:
        networks: the generator and the discriminator.
    """
    on_gpu = device() == "cuda"
    return {
        "library": f"PyTorch {torch.__version__}",
        "device": torch.cuda.get_device_name() if on_gpu else "CPU",
        # The vectors of spectral norm are buffers, not parameters.
        "parameters": [
            sum(parameter.numel() for parameter in network.parameters())
            for network in networks
        ],
    }


class TrainingStep:
    """One generator step and one discriminator step, as in `SAGAN.train_step`.

    Args:
        settings: dict of the script's flags.
    """

    def __init__(self, settings):
        self.generator, self.discriminator = make_networks(settings)
        self.generator_optimizer, self.discriminator_optimizer = (
            torch.optim.Adam(network.parameters(), rate, (0.0, 0.999), fused=True)
            for network, rate in ((self.generator, 1e-4), (self.discriminator, 4e-4))
        )
        self.num_classes = settings["num_classes"]
        self.dtype_policy = settings["dtype_policy"]
        shape = (settings["batch_size"], 3, *2 * [settings["resolution"]])
        images = torch.rand(shape, device=device()) * 2 - 1
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.arange(len(images), device=device()) % self.num_classes

    def __call__(self):
        """Returns the discriminator's loss, a tensor."""
        self._generator_step()
        return self._discriminator_step()

    def _generator_step(self):
        # D's weights need no gradients.
        self.discriminator.requires_grad_(False)
        with precision(self.dtype_policy):
            loss = -self.discriminator(*self._fakes()).mean()
        self._update(self.generator_optimizer, loss)
        self.discriminator.requires_grad_(True)

    def _discriminator_step(self):
        with precision(self.dtype_policy):
            with torch.no_grad():
                fakes, labels = self._fakes()
            images = torch.cat([self.images, fakes])
            logits = self.discriminator(images, torch.cat([self.labels, labels]))
            real, fake = logits.chunk(2)
            loss = functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        self._update(self.discriminator_optimizer, loss)
        return loss.detach()

    def _fakes(self):
        count = len(self.images)
        z = torch.randn(count, Z_DIM, device=device())
        labels = torch.randint(self.num_classes, (count,), device=device())
        return self.generator(z, labels), labels

    def _update(self, optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
