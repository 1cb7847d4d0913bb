"""What is made from another file is what `make generate` would make of it now."""

import os

import chart_manifests
import chart_values
import dashboard
import pytest
from parts import programs


def test_schema_and_table_of_the_chart() -> None:
    for path, text in chart_values.generated(chart_values.CHART).items():
        assert path.read_text() == text, f"{path.name}: run `make generate`"


def test_dashboard() -> None:
    assert dashboard.OUTPUT.read_text() == dashboard.text(), "run `make generate`"


def test_manifests() -> None:
    try:
        helm = programs.binary("helm")
    except programs.PartUnavailable as missing:
        if os.environ.get("CI"):  # where every test must run, a missing program is a failure
            raise
        pytest.skip(str(missing))
    for path, text in chart_manifests.generated(helm).items():
        assert path.read_text() == text, f"{path.name}: run `make generate`"
