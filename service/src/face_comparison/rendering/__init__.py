"""Images with their faces marked, and comparisons side by side, made to be looked at."""

from face_comparison.rendering.comparison import Compared, draw_comparison
from face_comparison.rendering.faces import draw_faces
from face_comparison.rendering.strokes import COLORS, png

__all__ = ["COLORS", "Compared", "draw_comparison", "draw_faces", "png"]
