"""What the command `attention` does: pictures, maps, figures, and files of them."""

import dataclasses
import json
import pathlib

from tqdm import tqdm

from sagan_tf.attention_maps import explorer, figure
from sagan_tf.attention_maps.page import Page
from sagan_tf.attention_maps.queries import cells_of_pixels, pick_queries
from sagan_tf.attention_maps.subjects import Pictures, generated_pictures, real_pictures
from sagan_tf.attention_maps.view import make_view
from sagan_tf.files import write_text
from sagan_tf.networks.attention_scores import attention_layers, map_shape
from sagan_tf.run import building
from sagan_tf.settings import arguments


@dataclasses.dataclass(frozen=True)
class Report:
    """What was found; `write` makes files of it.

    Attributes:
        title: str, the run and its step.
        step: int.
        averaged: bool, whether the generator's weights are the averaged ones.
        pictures: `Pictures`.
        views: list of (index of the picture, `View`), picture after picture.
        layers: list of dicts, means over the pictures, see
            `attention_explorer.mean_figures`.
        history: list of dicts, the same at every checkpoint, or empty.
        gammas: see `attention_explorer.training_gammas`; empty without a history.
        page: `Page`, or `None`.
    """

    title: str
    step: int
    averaged: bool
    pictures: Pictures
    views: list
    layers: list
    history: list
    gammas: list
    page: Page | None

    def text(self):
        """The figures of the layers, at every checkpoint if there is a history."""
        records = self.history or [{"step": self.step, "layers": self.layers}]
        heads = ("gamma", "entropy", "of uniform", "distance", "uniform's")
        lines = [f"{'step':>9}  {'':<32}" + "".join(f"{h:>12}" for h in heads)]
        for record in records:
            for each in record["layers"]:
                lines.append(f"{record['step']:>9,}  {_line(each)}")
        return "\n".join(lines)

    def write(self, picture, page=None):
        """Writes the picture, the JSON beside it, and the page.

        Args:
            picture: path of the PNG; its folder is made.
            page: path of the HTML, if the report was made with one.

        Returns:
            List of the paths.

        Raises:
            BadInput: there are too many views for a picture.
            OSError: a file cannot be written.
        """
        paths = [pathlib.Path(picture), pathlib.Path(picture).with_suffix(".json")]
        if page is not None:
            paths.append(pathlib.Path(page))
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        views = [view for _, view in self.views]
        figure.write_attention(paths[0], views, self.title, self.history, self.gammas)
        write_text(paths[1], json.dumps(self.as_dict(), indent=2) + "\n")
        if page is not None:
            self.page.write(paths[2], f"Attention of {self.title}", self._about())
        return paths

    def _about(self):
        count = len(self.pictures)
        weights = ", averaged weights of the generator" if self.averaged else ""
        return f"{count} {self.pictures.kind} picture{'s'[: count > 1]}{weights}"

    def as_dict(self):
        """What attention.json says: plain numbers and text."""
        labels = self.pictures.labels
        return {
            "step": self.step,
            "averaged_generator": self.averaged,
            "images": self.pictures.kind,
            "layers": self.layers,
            "pictures": [
                {
                    "title": title,
                    "number": self.pictures.numbers[index],
                    "label": None if labels is None else int(labels[index]),
                    "layers": [v.as_dict() for i, v in self.views if i == index],
                }
                for index, title in enumerate(self.pictures.titles)
            ],
            "history": self.history,
        }


def make_report(
    workdir,
    *,
    seeds,
    labels=None,
    points=None,
    num_queries=5,
    checkpoint="newest",
    network=None,
    images="generated",
    ema=True,
    with_page=False,
    with_history=False,
):
    """Looks through the attention of a run.

    Args:
        workdir: path of the run.
        seeds: list of ints; of real pictures their places in the data set.
        labels: str, see `sampling.parse_labels`.
        points: list of (x, y) in pixels, or `None` to pick `num_queries` for each map.
        num_queries: int.
        checkpoint, ema: see `rundir.load_generator`.
        network: see `attention_explorer.networks_to_look_at`.
        images: `"generated"` or `"real"`.
        with_page: bool, whether whole maps are kept for a page.
        with_history: bool, whether every checkpoint is looked at.

    Returns:
        `Report`.

    Raises:
        BadInput: the run, its attention, the points or the pictures are not there.
    """
    *networks, config, class_names, step = building.load_networks(
        workdir, checkpoint, ema
    )
    chosen = explorer.networks_to_look_at(networks, network, images)
    grids = [map_shape(a) for each in chosen.values() for a in attention_layers(each)]
    for grid in grids if points else ():
        cells_of_pixels(points, config.resolution, grid)
    labels = arguments.parse_labels(labels, config.num_classes)
    count = len(seeds) * (len(labels) or 1)
    figure.check_rows(count * len(grids))
    page = Page(count, grids) if with_page else None
    make = generated_pictures if images == "generated" else real_pictures
    pictures = make(config, seeds, labels, class_names)
    views = _make_views(chosen, networks[0], pictures, points, num_queries, page)
    history, gammas = [], []
    if with_history:
        history = explorer.history(workdir, config, pictures, network, ema)
        seen = {(each.network, each.layer) for _, each in views}
        gammas = explorer.training_gammas(workdir)
        gammas = [each for each in gammas if each[:2] in seen]
    return Report(
        title=f"{pathlib.Path(workdir).resolve().name}, step {step:,}",
        step=step,
        averaged=ema and config.ema_decay is not None,
        pictures=pictures,
        views=sorted(views, key=lambda pair: pair[0]),
        layers=explorer.mean_figures(view for _, view in views),
        history=history,
        gammas=gammas,
        page=page,
    )


def _line(layer):
    name = f"{layer['network']} {layer['layer']}"
    line = f"{name:<32}{layer['gamma']:>12.4g}"
    if not layer["has_effect"]:
        return f"{line}   no effect: the layer passes its input on unchanged"
    entropy = f"{layer['entropy_bits']:.2f} bits"
    distances = (layer["distance_pixels"], layer["uniform_distance_pixels"])
    pixels = (f"{distance:.1f} px" for distance in distances)
    columns = (entropy, f"{layer['entropy_share']:.0%}", *pixels)
    return line + "".join(f"{text:>12}" for text in columns)


def _make_views(chosen, generator, pictures, points, num_queries, page):
    total = explorer.count_maps(chosen, pictures)
    maps = tqdm(
        explorer.explore(chosen, generator, pictures),
        **{"desc": "Attention maps", "unit": " maps", "total": total},
        **{"delay": 2, "leave": False, "disable": None},
    )
    views = []
    for index, pixels, each in maps:
        if points is None:
            height, width = each.scores.shape[:2]
            cells = pick_queries(each.scores, min(num_queries, height * width))
        else:
            cells = cells_of_pixels(points, len(pixels), each.scores.shape)
        view = make_view(pixels, each, cells, pictures.titles[index])
        views.append((index, view))
        if page is not None:
            page.add(index, view, each.scores)
    return views
