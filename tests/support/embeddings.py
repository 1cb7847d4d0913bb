"""Synthetic embeddings of people, some of whom are hard to recognize and some of whom are related."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw(
    chance: np.random.Generator, people: int, images: int, width: int = 16
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Returns L2-normalized vectors (people * images, width) and the person of each.

    A third of the people resemble another person (families), and each has an individual amount of noise.
    """
    centers = chance.normal(size=(people, width))
    third = people // 3
    relatives, others = chance.integers(0, people, (2, third))
    centers[relatives] = 0.65 * centers[others] + 0.75 * chance.normal(size=(third, width))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    noise = np.exp(chance.normal(-0.75, 0.35, people)) / np.sqrt(width)
    vectors = np.repeat(centers, images, 0)
    vectors = vectors + chance.normal(size=vectors.shape) * np.repeat(noise, images)[:, None]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), np.repeat(np.arange(people), images)
