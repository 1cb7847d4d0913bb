import pytest

from face_comparison import analysis, publishing
from face_comparison.analysis import PictureAnalyzer
from face_comparison.bundle import Bundle


@pytest.fixture(scope="session")
def default_bundle() -> Bundle:
    return publishing.fetched("default", publishing.bundles_folder())


@pytest.fixture(scope="session")
def analyzer(default_bundle: Bundle) -> PictureAnalyzer:
    return analysis.build_analyzer(default_bundle, device="cpu", threads=2)
