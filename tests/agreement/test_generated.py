"""Generated files are what `make generate` would write now."""

import os
import re

import pytest

from devtools import ROOT, chart_manifests, chart_values, dashboard
from devtools.docs import generate
from devtools.k8s import programs

MARK = re.compile(r"<!-- table ([\w-]+) -->")


def test_schema_and_table_of_the_chart() -> None:
    files = chart_values.generated_files(chart_values.CHART)
    assert len(files) == 2
    for path, text in files.items():
        assert path.read_text() == text, f"{path.name}: run `make generate`"


def test_tables_and_drawings_of_the_documents() -> None:
    files = generate.generated_files()
    assert len(files) > 50
    for path, text in files.items():
        assert path.read_text() == text, f"{path.name}: run `make generate`"


def test_table_without_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="<!-- table errors -->"):
        generate.fill_tables("no marks here", ["errors"])


def test_every_mark_in_a_document_is_filled() -> None:
    documents = (page for page in (ROOT / "docs").rglob("*.md") if "zh" not in page.parts)  # copied there
    pages = [*ROOT.glob("README*.md"), *documents]
    marks = {(str(page.relative_to(ROOT)), mark) for page in pages for mark in MARK.findall(page.read_text())}
    assert marks == {(page, name) for page, names in generate.DOCUMENTS.items() for name in names}


def test_dashboard() -> None:
    assert dashboard.OUTPUT.read_text() == dashboard.text(), "run `make generate`"


def test_manifests() -> None:
    try:
        helm = programs.binary("helm")
    except programs.PartUnavailable as missing:
        if os.environ.get("CI"):  # in CI, where every test must run, a missing program is a failure
            raise
        pytest.skip(str(missing))
    files = chart_manifests.generated_files(helm)
    assert len(files) == 2
    for path, text in files.items():
        assert path.read_text() == text, f"{path.name}: run `make generate`"
