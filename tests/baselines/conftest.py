import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # for synthetic_world; importlib mode adds nothing

import synthetic_world as world


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def store():
    """The full synthetic world, one report in twenty lost."""
    return world.make_store(world.daily_cycle() + world.waves() + world.drift(), missing=0.05)
