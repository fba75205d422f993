from typing import get_args

from co2net_phys.baselines import BASELINES
from co2net_phys.cli.choices import FirstGuess, Model
from co2net_phys.config import Background
from co2net_phys.families import MODELS


def test_first_guesses_are_those_of_the_configuration_and_exist():
    assert get_args(FirstGuess) == get_args(Background)
    assert {*get_args(Background)} - {"none"} <= set(BASELINES)


def test_models_are_those_of_the_families():
    assert list(get_args(Model)) == list(MODELS)
