"""A miniature tree of each real data set, made once."""

import pytest
from domains.real_layouts import LAYOUTS
from domains.trees import MAKERS


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A path with spaces and letters outside ASCII."""
    place = tmp_path_factory.mktemp("données à part")
    for layout in LAYOUTS:
        MAKERS[layout](place / layout)
    return place
