"""What the README says is what the source says."""

import re
import subprocess
from pathlib import Path

import pytest
import readme_tables
from model import accuracy

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_its_tables_are_those_of_the_source() -> None:
    assert readme_tables.filled(README) == README, "run `make generate`"


def test_a_table_whose_marks_were_lost_is_noticed() -> None:
    with pytest.raises(ValueError, match="<!-- table errors -->"):
        readme_tables.filled(README.replace("<!-- table errors -->", ""))


def test_its_accuracy_table_has_a_row_for_every_variant() -> None:
    rows = re.search(r"<!-- table accuracy -->\n(.*?)<!-- end -->", README, re.DOTALL)
    assert rows
    named = {line.split("|")[1].strip() for line in rows[1].splitlines()[2:]}
    assert {name.removesuffix(", both") for name in named} == set(accuracy.VARIANTS)


def test_every_link_into_the_repository_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_every_link_within_it_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(#([^)]+)\)", README):
        assert target in headings


def test_every_make_target_that_it_names_exists_and_has_its_line_in_the_help() -> None:
    named = set(re.findall(r"`?make ([a-z][a-z-]+)", README)) - {"gets"}
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert named <= set(re.findall(r"make ([a-z-]+)", helped))
