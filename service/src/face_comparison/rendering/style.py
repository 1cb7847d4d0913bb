"""Colors and sizes of the drawing of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

from face_comparison.rendering.strokes import Color

SAME: Color = (86, 180, 233)
DIFFERENT: Color = (230, 159, 0)
OTHER: Color = (215, 219, 224)
GROUND: Color = (24, 27, 31)
CARD: Color = (40, 45, 51)
INK: Color = (240, 242, 245)
SOFT: Color = (165, 173, 182)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes in pixels.

    Attributes:
        height: Height of the images.
        source: Width of the source's panel.
        target: Width of the targets' panels.
        unit: Scale factor of everything else.
    """

    height: int
    source: int
    target: int
    unit: float

    def of(self, pixels: float) -> int:
        """Returns a length, scaled, at least 1."""
        return max(1, round(pixels * self.unit))
