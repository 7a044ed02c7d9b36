"""A figure laid out and drawn once for every kind of file: pixels as they come, vectors scaled from them.

Matplotlib lays a figure out anew for each file it saves, which is most of the time. Here one renderer hands what a figure
draws to Agg, to PDF and to SVG; lengths in pixels become points (72 an inch) on the way.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_pdf import PdfFile, RendererPdf
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, TransformedBbox, TransformedPath
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from crysmm_attn_plugin.reports.figures import ruler
from crysmm_attn_plugin.reports.figures.ruler import Ruler

POINTS = 72.0


class _Pdf(RendererPdf):
    """Matplotlib's, with the files of fonts looked up once."""

    def _get_font_ttf(self, prop: Any) -> Any:
        font = ruler.font_of(prop.copy())
        font.clear()
        font.set_size(prop.get_size_in_points(), POINTS)
        return font


class _Moved:
    """A text for a renderer that asks it where it stands: there in points."""

    def __init__(self, text: Text, scale: Affine2D) -> None:
        self._text, self._scale = text, scale

    def __getattr__(self, name: str) -> Any:
        return getattr(self._text, name)

    def get_transform(self) -> Any:
        """To points instead of pixels."""
        return self._text.get_transform() + self._scale


class Vectors:
    """A renderer of vectors that is told everything in pixels.

    Args:
        renderer: Of PDF or SVG.
        dpi: Pixels an inch.
        tall: Whole pixels of a picture's height, from which Agg counts the places of texts.
    """

    def __init__(self, renderer: Any, dpi: float, tall: int) -> None:
        self.renderer = renderer
        self.tall = tall
        self.share = POINTS / dpi
        self.scale = Affine2D().scale(self.share)
        self.height = renderer.get_canvas_width_height()[1]

    def context(self, gc: Any) -> Any:
        """A graphics context with its clip in points."""
        own = self.renderer.new_gc()
        own.copy_properties(gc)
        box = gc.get_clip_rectangle()
        if box is not None:
            own.set_clip_rectangle(TransformedBbox(box.frozen(), self.scale))
        path, transform = gc.get_clip_path()
        if path is not None:
            own.set_clip_path(TransformedPath(path, transform + self.scale))
        return own

    def draw_path(self, gc: Any, path: Any, transform: Any, face: Any = None) -> None:
        """One path."""
        self._with(gc, lambda own: self.renderer.draw_path(own, path, transform + self.scale, face))

    def draw_markers(
        self, gc: Any, marker: Any, of_marker: Any, path: Any, transform: Any, face: Any
    ) -> None:
        """A marker at every point of a path."""
        self._with(
            gc,
            lambda own: self.renderer.draw_markers(
                own, marker, of_marker + self.scale, path, transform + self.scale, face
            ),
        )

    def draw_path_collection(
        self, gc: Any, master: Any, paths: Any, transforms: Any, offsets: Any, of_offsets: Any, *rest: Any, **more: Any
    ) -> None:  # fmt: skip
        """Many paths at once."""
        self._with(
            gc,
            lambda own: self.renderer.draw_path_collection(
                own, master + self.scale, paths, transforms, offsets, of_offsets + self.scale, *rest, **more
            ),
        )

    def draw_quad_mesh(self, gc: Any, master: Any, wide: int, tall: int, coordinates: Any, offsets: Any, of_offsets: Any, *rest: Any) -> None:  # fmt: skip
        """A mesh of quadrilaterals, such as a bar of colours."""
        self._with(
            gc,
            lambda own: self.renderer.draw_quad_mesh(
                own, master + self.scale, wide, tall, coordinates, offsets, of_offsets + self.scale, *rest
            ),
        )

    def draw_image(self, gc: Any, x: float, y: float, pixels: Any, transform: Any = None) -> None:
        """An image, which keeps its pixels."""
        moved = () if transform is None else (transform + self.scale,)
        self._with(
            gc, lambda own: self.renderer.draw_image(own, x * self.share, y * self.share, pixels, *moved)
        )

    def draw_text(self, gc: Any, x: float, y: float, words: str, prop: Any, angle: float, ismath: Any, mtext: Any) -> None:  # fmt: skip
        """A line of text; ``y`` from the top, as Agg has it."""
        up = (self.tall - y) * self.share
        place = self.height - up if self.renderer.flipy() else up
        moved = _Moved(mtext, self.scale) if mtext is not None else None
        self._with(
            gc,
            lambda own: self.renderer.draw_text(
                own, x * self.share, place, words, prop, angle, ismath=ismath, mtext=moved
            ),
        )

    def _with(self, gc: Any, draw: Callable[[Any], None]) -> None:
        own = self.context(gc)
        try:
            draw(own)
        finally:
            own.restore()


class Together(RendererBase):
    """Draws in pixels and tells renderers of vectors of everything; what is rasterised they get as an image.

    Args:
        width, height, dpi: In pixels, and pixels an inch.
        vectors: The others.
        pixels: Whether a picture in pixels is wanted.
    """

    def __init__(self, width: int, height: int, dpi: float, vectors: Sequence[Vectors], pixels: bool) -> None:
        super().__init__()
        self.width, self.height, self.dpi = width, height, dpi
        self.agg = Ruler(width, height, dpi)
        self._pixels = [self.agg] if pixels else []
        self._vectors = vectors
        self._raster: Ruler | None = None

    def _targets(self) -> list[Any]:
        return [*self._pixels, *(self._vectors if self._raster is None else (self._raster,))]

    def draw_path(self, gc: Any, path: Any, transform: Any, rgbFace: Any = None) -> None:
        for target in self._targets():
            target.draw_path(gc, path, transform, rgbFace)

    def draw_markers(self, gc: Any, marker_path: Any, marker_trans: Any, path: Any, trans: Any, rgbFace: Any = None) -> None:  # fmt: skip
        for target in self._targets():
            target.draw_markers(gc, marker_path, marker_trans, path, trans, rgbFace)

    def draw_path_collection(self, *args: Any, **options: Any) -> None:
        for target in self._targets():
            target.draw_path_collection(*args, **options)

    def draw_quad_mesh(self, *args: Any) -> None:
        for target in self._targets():
            target.draw_quad_mesh(*args)

    def draw_image(self, gc: Any, x: float, y: float, im: Any, transform: Any = None) -> None:
        for target in self._targets():
            target.draw_image(gc, x, y, im)

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False, mtext: Any = None
    ) -> None:  # fmt: skip
        for target in self._targets():
            target.draw_text(gc, x, y, s, prop, angle, ismath, mtext)

    def open_group(self, s: str, gid: str | None = None) -> None:
        for vectors in self._vectors:
            vectors.renderer.open_group(s, gid)

    def close_group(self, s: str) -> None:
        for vectors in self._vectors:
            vectors.renderer.close_group(s)

    def start_rasterizing(self) -> None:
        if self._vectors:
            self._raster = Ruler(self.width, self.height, self.dpi)

    def stop_rasterizing(self) -> None:
        if self._raster is None:
            return
        drawn = np.asarray(self._raster.buffer_rgba())
        self._raster = None
        rows, columns = (np.flatnonzero(drawn[..., 3].any(axis)) for axis in (1, 0))
        if not len(rows):
            return
        cut = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        for vectors in self._vectors:
            vectors.draw_image(self.new_gc(), columns[0], self.height - 1 - rows[-1], cut[::-1])

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
        return self.agg.get_text_width_height_descent(s, prop, ismath)

    def _get_font_height_metrics(self, prop: Any) -> ruler.Heights:
        return self.agg._get_font_height_metrics(prop)

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.width, self.height

    def points_to_pixels(self, points: Any) -> Any:
        return points * self.dpi / POINTS

    def option_image_nocomposite(self) -> bool:
        return True

    def flipy(self) -> bool:
        return True


def files_of(figure: Figure, formats: Collection[str], title: str) -> dict[str, bytes]:
    """Contents of a figure's files, without a date inside (equal figures give equal files).

    Args:
        figure: What to draw.
        formats: ``png``, ``pdf``, ``svg``.
        title: Carried inside the files.
    """
    dpi = float(figure.dpi)
    wide, tall = (int(v) for v in figure.bbox.size)
    across, down = figure.get_size_inches()
    files: dict[str, Any] = {name: io.StringIO() if name == "svg" else io.BytesIO() for name in formats}
    vectors = []
    if "pdf" in files:
        pdf = PdfFile(files["pdf"], metadata={"Title": title, "CreationDate": None})
        pdf.newPage(across, down)
        vectors.append(Vectors(_Pdf(pdf, dpi, down, across), dpi, tall))
    if "svg" in files:
        about = {"Title": title, "Date": None}
        svg = RendererSVG(across * POINTS, down * POINTS, files["svg"], image_dpi=dpi, metadata=about)
        vectors.append(Vectors(svg, dpi, tall))
    renderer = Together(wide, tall, dpi, vectors, "png" in files)
    figure.draw(renderer)
    for one in vectors:
        one.renderer.finalize()
    if "pdf" in files:
        pdf.finalize()
        pdf.close()
    if "png" in files:
        said = PngInfo()
        said.add_text("Title", title)
        drawn = Image.fromarray(np.asarray(renderer.agg.buffer_rgba())[..., :3])
        drawn.save(files["png"], format="png", dpi=(dpi, dpi), pnginfo=said)
    contents = {name: file.getvalue() for name, file in files.items()}
    return {name: c.encode() if isinstance(c, str) else c for name, c in contents.items()}
