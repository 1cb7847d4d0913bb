"""The words of generated tables in Chinese, for the documents in that language."""

from __future__ import annotations

import re

WORDS: dict[str, str] = {
    r"images": "图片",
    r"pairs same / different": "同人 / 异人对数",
    r"wrong": "判错",
    r"same: mean, worst": "同人：平均、最差",
    r"different: mean, worst": "异人：平均、最差",
    r"both as taken": "两张都是原图",
    r"one of two made worse": "其中一张劣化",
    r"both made worse in the same way": "两张以同样方式劣化",
    r"what runs": "运行方式",
    r"images/s": "图片/秒",
    r"p(\d+) ms": r"p\1 毫秒",
    r"of the plain loop": "与普通循环之比",
    r"of OpenCV's": "与 OpenCV 之比",
    r"service, (\d+) in flight": r"服务，\1 个并发",
    r"service, (\d+) in flight, image as the body": r"服务，\1 个并发，图片直接作为请求体",
    r"plain loop, (\d+) threads?": r"普通循环，\1 个线程",
    r"plain loop, (\d+) threads, one look at each face": r"普通循环，\1 个线程，每张人脸只看一次",
    r"OpenCV's own, (\d+) threads?": r"OpenCV 自带流程，\1 个线程",
    r"OpenCV's own, one loop, (\d+) threads inside": r"OpenCV 自带流程，一个循环，内部 \1 个线程",
}
"""Whole cells as patterns; a cell that none of them fits stays as it is."""


def chinese(table: str) -> str:
    """A table with its words in Chinese."""
    return "\n".join("|".join(_cell(each) for each in line.split("|")) for line in table.split("\n"))


def _cell(text: str) -> str:
    for pattern, words in WORDS.items():
        if found := re.fullmatch(pattern, text.strip()):
            return f" {found.expand(words)} "
    return text
