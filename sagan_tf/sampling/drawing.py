"""Draws images, animations and neighbours for the command `sample`."""

import dataclasses
import pathlib

from sagan_tf import images
from sagan_tf.drawing import animation
from sagan_tf.evaluation.features.of_run import open_network_of_run
from sagan_tf.files import check_writable, write_text
from sagan_tf.run import building
from sagan_tf.sampling import layouts, rows
from sagan_tf.sampling.neighbours import find_neighbours
from sagan_tf.settings import arguments

_STILL_FRAMES, _MOVING_FRAMES = 9, 25
_FRAME_SECONDS = 0.06


class Drawing:
    """A run's generator, and the images that it is to draw.

    Args:
        workdir: path of the run.
        checkpoint: str, "newest", "best" or a step.
        ema: bool, whether to use the averaged weights if the run has them.
        standing_batches: int, see `building.load_generator`.
        seeds, labels, truncation: str, see `settings.arguments`.

    Attributes:
        step: int, of the weights.
        choice: `rows.Choice`.

    Raises:
        BadInput: an argument is not valid, or there is no such run.
    """

    def __init__(
        self,
        workdir,
        *,
        checkpoint,
        ema,
        seeds,
        labels,
        truncation,
        standing_batches=0,
    ):
        self._workdir = workdir
        seeds = arguments.parse_numbers(seeds, "seeds")
        truncations = arguments.parse_truncations(truncation)
        checkpoint = arguments.parse_step(checkpoint)
        loaded = building.load_generator(workdir, checkpoint, ema, standing_batches)
        self._generator, self._config, names, self.step = loaded
        num_classes = self._config.num_classes
        self.choice = rows.Choice(
            seeds,
            arguments.parse_labels(labels, num_classes, names),
            truncations,
            self._config.z_dim,
            num_classes,
            names if num_classes else (),
        )

    def write(
        self,
        output,
        *,
        interpolate=False,
        interpolate_labels=False,
        neighbours=None,
        neighbour_images=None,
        skip_bad_images=False,
        feature_network=None,
        inception=None,
        columns=None,
        frame_seconds=None,
        captions=None,
    ):
        """Writes a grid of all seeds, labels and truncations, a walk, or neighbours.

        The arguments are the flags of the same names: see `sagan_tf.sample --help`.

        Args:
            output: path of a PNG; a walk can also be a GIF or WebP.
            interpolate, interpolate_labels, skip_bad_images, captions: bool.
            neighbours, neighbour_images, columns: int.
            feature_network, inception: str.
            frame_seconds: float.

        Returns:
            A description of the output: str.

        Raises:
            BadInput: a walk has only one stop, the feature network or data set cannot
                be used, or there are too few training images.
            OSError: the output cannot be written. This is checked before the work.
        """
        check_writable(output, make_parents=True)
        if neighbours:
            given = {"feature_network": feature_network, "inception": inception}
            network = open_network_of_run(self._workdir, self._config, given)
            if skip_bad_images:
                self._config = dataclasses.replace(self._config, skip_bad_images=True)
            return self._write_neighbours(
                output, network, neighbours, neighbour_images, columns, captions
            )
        if captions is None:
            captions = interpolate_labels or len(self.choice.truncations) > 1
        moves = animation.is_animation(output)
        is_walk = interpolate or interpolate_labels
        if is_walk:
            frames = columns or (_MOVING_FRAMES if moves else _STILL_FRAMES)
            # The captions of an animation name one class for all of its frames.
            drawn = rows.rows_of_walks(
                self.choice, frames, interpolate_labels, interpolate, keep_class=moves
            )
        else:
            drawn = rows.rows_of_seeds(self.choice)
        pathlib.Path(output).parent.mkdir(parents=True, exist_ok=True)
        pixels = rows.draw(self._generator, drawn)
        if is_walk and moves:
            sheets, seconds = layouts.moving_walks(
                drawn, pixels, frame_seconds or _FRAME_SECONDS, captions
            )
            animation.write_animation(output, sheets, seconds)
            return f"{len(sheets)} frames, {sum(seconds):.1f} seconds,"
        if is_walk:
            sheet = layouts.still_walks(drawn, pixels, captions)
        else:
            sheet = layouts.seed_rows(drawn, pixels, self.choice, columns, captions)
        images.write_png(output, sheet)
        return f"{pixels.shape[0] * pixels.shape[1]:,} images"

    def _write_neighbours(self, output, network, count, num_images, columns, captions):
        notes = pathlib.Path(output).with_suffix(".neighbours.json")
        check_writable(notes, make_parents=True)
        pixels = rows.draw(self._generator, rows.rows_of_seeds(self.choice))
        pixels = pixels.reshape(-1, *pixels.shape[2:])
        nearest = find_neighbours(self._config, network, pixels, count, num_images)
        samples = rows.describe_seeds(self.choice)
        texts = None if captions is False else self._words(samples, nearest)
        sheet = layouts.neighbour_blocks(pixels, nearest.pixels, texts, columns)
        notes.parent.mkdir(parents=True, exist_ok=True)
        images.write_png(output, sheet)
        write_text(notes, nearest.to_json(samples))
        print("\n".join(nearest.report()))
        return f"{len(pixels):,} images and their neighbours (distances: {notes})"

    def _words(self, samples, nearest):
        """Returns the captions below each generated image and its neighbours: list."""
        words = []
        for row, sample in enumerate(samples):
            label = sample["label"]
            own = "" if label is None else self.choice.label_name(label)
            note = " copy?" if nearest.suspicious[row] else ""
            words.append(rows.lines(f"seed {sample['seed']}{note}", own))
            for column, distance in enumerate(nearest.distances[row]):
                # A neighbour's class is named if it differs.
                other = label if label is None else nearest.labels[row, column]
                name = "" if other == label else self.choice.label_name(other)
                words.append(rows.lines(f"{distance:#.3g}", name))
        return words
