import pytest

from face_comparison.models import bundle_store
from face_comparison.vision.analyzer import ImageAnalyzer, build_analyzer
from face_comparison.vision.bundle import Bundle


@pytest.fixture(scope="session")
def default_bundle() -> Bundle:
    return bundle_store.ensure_bundle("default", bundle_store.bundles_folder())


@pytest.fixture(scope="session")
def analyzer(default_bundle: Bundle) -> ImageAnalyzer:
    return build_analyzer(default_bundle, device="cpu", threads=2)
