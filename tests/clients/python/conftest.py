"""The scene that clients/python.test.ts has set: gateway, keys and tokens, as JSON in BEHEST_SCENE.

Always holds: without it the tests fail at once and say who sets it.
"""

import json
import os
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def scene() -> SimpleNamespace:
    text = os.environ.get("BEHEST_SCENE")
    if not text:
        pytest.fail("BEHEST_SCENE is not set: run these through tests/clients/python.test.ts")
    return SimpleNamespace(**json.loads(text))
