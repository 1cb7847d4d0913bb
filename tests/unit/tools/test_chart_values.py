"""The comments of a values file become its schema and its table."""

import jsonschema
import pytest

from devtools import chart_values

TEXT = """\
# A heading that belongs to no key.

# How many.
# It says more here.
# @schema {minimum: 1}
count: 2

# Where.
place:
  # Whether.
  enabled: true
  # Words | signs.
  # @schema {additionalProperties: {type: string}}
  labels: {a: b}
"""


@pytest.fixture
def tree() -> tuple[chart_values.Value, ...]:
    return chart_values.values(TEXT)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"count": 1},
        {"place": {"enabled": False}},
        {"place": {"labels": {"anything": "goes"}}},
        {"global": {"of": "a parent chart"}},
    ],
)
def test_schema_accepts(tree: tuple[chart_values.Value, ...], values: object) -> None:
    jsonschema.validate(values, chart_values.schema(tree))


@pytest.mark.parametrize(
    "values",
    [
        {"count": 0},
        {"count": "2"},
        {"cuont": 2},
        {"place": {"on": True}},
        {"place": {"enabled": "yes"}},
        {"place": {"labels": {"a": 1}}},
        {"place": None},
    ],
)
def test_schema_rejects(tree: tuple[chart_values.Value, ...], values: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, chart_values.schema(tree))


def test_table_has_every_settable_key(tree: tuple[chart_values.Value, ...]) -> None:
    assert chart_values.table(tree).splitlines()[2:] == [
        "| `count` | `2` | How many. It says more here. |",
        "| `place.enabled` | `true` | Whether. |",
        '| `place.labels` | `{"a": "b"}` | Words &#124; signs. |',
    ]


def test_table_replaces_previous_one() -> None:
    readme = f"before\n{chart_values.TABLE_BEGINS}\nold\n{chart_values.TABLE_ENDS}\nafter\n"
    once = chart_values.with_table(readme, "new")
    assert once == f"before\n{chart_values.TABLE_BEGINS}\nnew\n{chart_values.TABLE_ENDS}\nafter\n"
    assert chart_values.with_table(once, "new") == once


def test_readme_without_marks_is_rejected() -> None:
    with pytest.raises(ValueError, match="values: made by"):
        chart_values.with_table("no marks", "new")


def test_key_without_a_comment_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"place\.enabled: add a comment above line 3"):
        chart_values.values("# Where.\nplace:\n  enabled: true\n")
