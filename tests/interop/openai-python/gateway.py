"""A pytest plugin: openai-python's own tests, unedited, with a token that the gateway takes instead of their made-up key.

Always holds: BEHEST_TOKEN is what their clients are made with; their TEST_API_BASE_URL says where the gateway is.
"""

import os
import sys

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    sys.modules["tests.conftest"].api_key = os.environ["BEHEST_TOKEN"]
