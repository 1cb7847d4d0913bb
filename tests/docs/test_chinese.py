"""Generated tables in Chinese, by a list of sentences that each match all sentences of the same shape."""

from __future__ import annotations

import re

import pytest

from devtools.docs import chinese, translations

KNOWN = {
    "field": "字段",
    "Detect faces.": "检测人脸。",
    "integer, 1 to 100": "整数，1 到 100",
    "Pages": "页面",
    "`a` of `b`": "`b` 的 `a`",
    "a dozen": "12 个",
    "Minimum replicas": "最少副本数",
}


@pytest.fixture
def known() -> chinese.Catalog:
    return chinese.Catalog(KNOWN)


@pytest.mark.parametrize(
    ("english", "expected"),
    [
        ("Detect faces.", "检测人脸。"),
        ("integer, 2 to 9", "整数，2 到 9"),
        ("`x` of `y`", "`y` 的 `x`"),
        ("Detect faces. Default: 0.6.", "检测人脸。默认值：0.6。"),
        ("integer, 2 to 9, optional", "整数，2 到 9，可选"),
        ("Detect faces. \\[default: auto]", "检测人脸。（默认值：auto）"),
        ("Detect faces. \\[default: 1] \\[0\\<x\\<2]", "检测人脸。（默认值：1） \\[0\\<x\\<2]"),
        ("`photo.jpg`", "`photo.jpg`"),
        ("12.5", "12.5"),
    ],
)
def test_sentence_matches_its_shape(known: chinese.Catalog, english: str, expected: str) -> None:
    assert known.sentence(english) == expected
    assert known.missing == {}


def test_unknown_sentence_stays_english_and_is_reported(known: chinese.Catalog) -> None:
    assert [known.sentence(each) for each in ("Something new.", "Something new.", "12 dozens")] == [
        *("Something new.", "Something new.", "12 dozens")
    ]
    assert list(known.missing) == ["Something new.", "12 dozens"]


def test_markdown_structure_is_kept(known: chinese.Catalog) -> None:
    english = """<!-- table a -->

### Pages

### `POST /x` {#post}

Detect
faces.

- `one`: Detect
  faces.
- Detect faces.

| field | message |
|---|---|
| Detect faces. | Detect faces. |

```sh
Detect faces.
```

Rejected with these messages:

* Detect faces.

<label>Minimum replicas <input name="minimum"></label>

<!-- end -->"""
    assert (
        chinese.translate(english, known)
        == """<!-- table a -->

### 页面 { #pages }

### `POST /x` {#post}

检测人脸。

- `one`: 检测人脸。
- 检测人脸。

| 字段 | message |
|---|---|
| 检测人脸。 | Detect faces. |

```sh
Detect faces.
```

Rejected with these messages:

* Detect faces.

<label>最少副本数 <input name="minimum"></label>

<!-- end -->"""
    )


def test_all_generated_text_is_translated() -> None:
    assert len(chinese.catalog().exact) > 500
    assert translations.untranslated() == []


@pytest.mark.parametrize(
    "sentence",
    ["Higher is sharper.", "Detect the faces in an image.", "Sent with every request.", "Minimum replicas"],
    ids=["cell", "paragraph", "item", "label"],
)
def test_generated_text_without_translation_is_reported(sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {english: translated for english, translated in chinese.catalog().exact.items() if english != sentence}
    monkeypatch.setattr(chinese, "catalog", lambda: chinese.Catalog(others))
    assert translations.untranslated() == [sentence]


def test_translations_keep_fields_and_numbers() -> None:
    code = re.compile(r"`[^`]+`|[A-Z]+_[A-Z_]+|--[a-z-]+")
    words = re.compile(r"[A-Za-z]{3,} [a-z]{2,}")
    for english, translated in chinese.catalog().exact.items():
        assert set(code.findall(translated)) <= set(code.findall(english)), english
        assert re.search(r"[\u4e00-\u9fff]", translated) or not words.search(english), english
