"""Images with their faces marked, and comparisons side by side, made to be looked at."""

from face_comparison.rendering.comparison import Compared, compared
from face_comparison.rendering.faces import drawn
from face_comparison.rendering.strokes import COLORS, png

__all__ = ["COLORS", "Compared", "compared", "drawn", "png"]
