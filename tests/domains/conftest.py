"""A miniature tree of each real data set, made once."""

import pytest
from domains.trees import MAKERS


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A path with spaces and letters outside ASCII."""
    place = tmp_path_factory.mktemp("données à part")
    for layout, make in MAKERS.items():
        make(place / layout)
    return place
