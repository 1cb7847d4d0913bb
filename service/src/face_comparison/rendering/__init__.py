"""Draws detected faces and side-by-side comparisons for people to look at."""

from face_comparison.rendering.comparison import Compared, draw_comparison
from face_comparison.rendering.faces import draw_faces
from face_comparison.rendering.strokes import COLORS, png

__all__ = ["COLORS", "Compared", "draw_comparison", "draw_faces", "png"]
