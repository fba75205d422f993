"""CO2-Net learned from the stations that are not left out, in the weather of a monthly store.

The groups are dealt out to a few folds, as for the Gaussian process. One network is trained for
each fold, on the stations of all others; then each group of the fold is mapped from all other
groups, and the map is read at its places. So a group that is left out has no influence on its
prediction: it is no input and no target, and neither the statistics nor the first guess nor the
choice of the best weights know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.checkpoint import load_model
from co2net_phys.config import TrainingConfig, usual_batch
from co2net_phys.cost import training_plan
from co2net_phys.crossvalidation.groups import folds_of
from co2net_phys.crossvalidation.method import Predictions, Progress, Task
from co2net_phys.crossvalidation.monthly_weather import (
    MonthlyWeather,
    Places,
    monthly_weather,
    places_of,
)
from co2net_phys.crossvalidation.records import Floats, Integers
from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import Split
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows, window_ends
from co2net_phys.devices import autocast, choose_device
from co2net_phys.errors import DataError, UsageError
from co2net_phys.network import Network
from co2net_phys.nn.rasterise import sample
from co2net_phys.preparation import prepare, window_length
from co2net_phys.run_folder import has_state
from co2net_phys.trainer import Callbacks
from co2net_phys.training import start

FOLDS = 10
"""Networks, or as many as there are groups."""

FRAMES = 4
"""Months in a window unless told otherwise (CO2-Net paper, CMIP6)."""

VALIDATION_SHARE = 0.2
"""Last share of the months, which picks the best weights of a network."""


def network_config(options: Mapping[str, Any], size: str | None, seed: int) -> TrainingConfig:
    """Return the options of the networks: those given, over what suits monthly stations.

    Args:
        options: of `TrainingConfig`.
        size: of CO2-Net, which goes before that in the options; None for that, or else XS.
        seed: unless the options have one.

    Raises
    ------
    UsageError
        An option is wrong, or belongs to the cross-validation.
    """
    for name in ("split", "training_stations", "station_seed"):
        if name in options:
            raise UsageError(f"{name}: follows from the sites that are left out; leave it out")
    if options.get("target", "stations") != "stations":
        raise UsageError("target: a table of sites has no field to learn from; leave it out")
    merged: dict[str, Any] = {"seed": seed, **options, "target": "stations"}
    model = options.get("model", {})
    if isinstance(model, Mapping):
        merged["model"] = {"frames": FRAMES, **model}
    if options.get("architecture", "co2net") == "co2net":
        merged = {"background": "kriging", "size": "XS"} | merged
        merged |= {} if size is None else {"size": size}
        merged.setdefault("batch_size", usual_batch(merged["size"]))
    elif size is not None:
        raise UsageError(f"--size {size}: is one of CO2-Net; leave it out")
    return TrainingConfig.validated(merged)


@dataclass(frozen=True)
class StationNetwork:
    """Networks learned from stations, one for each fold, kept in a folder.

    Attributes:
        config: options of every network.
        weather: monthly store; only its weather is read.
        folder: of the runs, one folder a fold.
        command: that made them, for their metadata.
    """

    config: TrainingConfig
    weather: Path
    folder: Path
    command: list[str]

    def predict(
        self,
        task: Task,
        progress: Progress = lambda share: None,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        continued: bool = False,
    ) -> Predictions:
        """Predict every record that has a map; `continued` goes on with runs that were stopped.

        Raises
        ------
        Interrupted
            `should_stop` asked to; the state is kept in `folder`.
        DataError, UsageError, NumericalError
            As `monthly_weather`, `prepare` and `Trainer.run`.
        """
        cut = self._cut(task)
        values, validated = np.full(cut.places.values.shape, np.nan), []
        for fold in range(cut.folds):

            def told(step: int, steps: int, losses: Mapping[str, float], fold: int = fold) -> None:
                progress((fold + 0.9 * step / steps) / cut.folds)

            folder = self._folder(fold)
            trainer = start(
                prepare(self._config(cut), cut.without(fold), hold_out=False),
                self._config(cut), folder, [Path(task.records.source), self.weather], self.command,
                Callbacks(told, should_stop=should_stop), continued and has_state(folder),
            )  # fmt: skip
            validated.append(trainer.run().best)
            network = load_model(folder / "best")[0].to(choose_device(self.config.device))
            for mine, columns, found in self._left_out(network, cut, fold):
                values[np.ix_(mine, columns)] = found
            progress((fold + 1) / cut.folds)
        rows = cut.places.of_series[task.records.rows]
        details = {"validation RMSE by network (ppm)": validated}
        return Predictions(values[rows, task.records.columns], details=details)

    def plan(self, task: Task) -> dict[str, Any]:
        """What `predict` will do, without training.

        Raises
        ------
        DataError, UsageError
            As `predict`.
        """
        cut = self._cut(task)
        config = self._config(cut)
        cost = training_plan(prepare(config, cut.without(0), fit=False, hold_out=False), config)
        mapped = np.isin(task.records.columns, cut.columns[self._ends(cut.whole)])
        return {
            "networks": cut.folds,
            "parameters": cost["parameters"],
            "steps": cut.folds * cost["steps"],
            "expected_seconds": cut.folds * cost["expected_seconds"],
            "records_with_a_map": int(mapped.sum()),
        }

    def has_runs(self) -> bool:
        """Whether an earlier command has left the state of a network."""
        return any(has_state(self._folder(fold)) for fold in range(FOLDS))

    def _folder(self, fold: int) -> Path:
        return self.folder / f"fold-{fold + 1:02d}"

    @property
    def _frames(self) -> int:
        """Months in a window."""
        return window_length(self.config)

    @property
    def _span(self) -> int:
        """Months from the first to the last of a window."""
        return (self._frames - 1) * self.config.sample_every + 1

    def _cut(self, task: Task) -> _Cut:
        weather = monthly_weather(self.weather, task.records.months, self._span - 1)
        return _Cut(task, weather, places_of(task))

    def _config(self, cut: _Cut) -> TrainingConfig:
        return self.config.model_copy(update={"split": cut.split(self._span)})

    def _ends(self, store: TrainingStore) -> Integers:
        """Last frames of all windows, in any block."""
        every = np.arange(len(store))
        return window_ends(store, every, self._frames, self.config.sample_every)

    @torch.no_grad()
    def _left_out(
        self, network: Network, cut: _Cut, fold: int
    ) -> Iterator[tuple[Integers, Integers, Floats]]:
        """Stations (p,), months (m,) and values (p, m) of the groups of a fold, read off maps."""
        device, store = choose_device(self.config.device), cut.whole
        ends = self._ends(store)
        ends = ends[cut.columns[ends] >= 0]
        windows = Windows(
            store, ends, np.arange(len(store.stations)), self._frames, with_target=False,
            spacing=self.config.sample_every,
        )  # fmt: skip
        groups = np.unique(cut.places.groups[cut.fold_of_place == fold])
        for first in range(0, len(ends), self.config.batch_size):
            positions = np.arange(first, min(first + self.config.batch_size, len(ends)))
            batch = windows.batch(positions).to(device)
            seen = batch.observations
            for group in groups:
                mine = np.flatnonzero(cut.places.groups == group)
                hidden = torch.zeros(len(store.stations), dtype=torch.bool, device=device)
                hidden[torch.from_numpy(mine).to(device)] = True
                value = seen.value.masked_fill(hidden, torch.nan)
                with autocast(device, self.config.precision):
                    output = network(replace(batch, observations=replace(seen, value=value)))
                field: Tensor = output.fields[CO2][:, 0].float()
                place = (seen.latitude[hidden], seen.longitude[hidden], batch.coordinates)
                found = sample(field, *place).T.cpu().double().numpy()
                yield mine, cut.columns[ends[positions]], found


@dataclass(frozen=True)
class _Cut:
    """A task in the weather of its months, its groups dealt out to folds."""

    task: Task
    weather: MonthlyWeather
    places: Places

    @cached_property
    def folds(self) -> int:
        return min(FOLDS, np.unique(self.task.groups).size)

    @cached_property
    def fold_of_place(self) -> Integers:
        """Fold (P,) of each station."""
        return folds_of(self.places.groups.astype(str), self.folds, self.task.seed)

    @cached_property
    def columns(self) -> Integers:
        """Month (N,) of each step of the weather as a position in those of the records, or −1."""
        return self.weather.columns(self.task.records.months)

    @cached_property
    def whole(self) -> TrainingStore:
        """The weather with all stations, of which those left out have to be hidden."""
        return self._store(np.ones(len(self.places.stations), dtype=np.bool_))

    def without(self, fold: int) -> TrainingStore:
        """The weather with the stations of all folds but one."""
        return self._store(self.fold_of_place != fold)

    def split(self, span: int) -> Split:
        """Months to train on, and later ones for validation; windows take `span` months.

        Raises
        ------
        DataError
            There are too few months for a window in both.
        """
        months = self.weather.months
        late = max(span, round(VALIDATION_SHARE * months.size))
        if months.size - late < span:
            raise DataError(
                f"{self.weather.source}: {months.size} months are too few for windows of {span} "
                "in training and validation; give more months, or a smaller model.frames"
            )
        edges = [str(months[index]) for index in (0, -late - 1, -late, -1)]
        return {"train": (edges[0], edges[1]), "validation": (edges[2], edges[3])}

    def _store(self, chosen: NDArray[np.bool_]) -> TrainingStore:
        return self.weather.store(self.places, self.task.records.months, chosen)
