"""What all learned networks share: a first guess, normalised inputs, and the way back to units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from einops import rearrange
from torch import Tensor, nn

from co2net_phys.batch import Batch
from co2net_phys.data.schema import BACKGROUND, CO2
from co2net_phys.errors import DataError, UsageError
from co2net_phys.learned_model import LearnedModel
from co2net_phys.network_config import WIND, NetworkConfig
from co2net_phys.nn.rasterise import innovations


class Network(LearnedModel, ABC):
    """A learned map from a `Batch` to a `Batch`.

    Without a background it predicts mean + σ·(its output). With one (a module that maps a batch to
    a batch with the field `CO2`, (B, 1, H, W) at the last frame, or (B, T, H, W)) it predicts a
    correction, background + σ·(its output), which is exactly zero before training. The background,
    normalised, is then an input, and observations enter as innovations as in data assimilation:
    (observation − background in the station's cell)/σ. A background given at the last frame only
    serves all frames, so that the innovations of earlier frames contain the change of the
    background since. A batch that carries the field `BACKGROUND` uses it instead of calling the
    module, so that training can cache it; without a module that field is ignored.

    For another `target_variable` read that variable and its unit for CO2 and µmol mol-1 throughout;
    there is no first guess of it.
    """

    config: NetworkConfig
    other_forwards = ("own_losses",)
    centre: Tensor
    spread: Tensor

    def __init__(self, config: NetworkConfig, background: nn.Module | None = None) -> None:
        super().__init__(config, background)
        target = config.target_variable
        if background is not None and target != CO2:
            raise UsageError(
                f"model.target_variable: first guesses are of CO2, not of {target!r}; "
                "set background=none"
            )
        self.embedding = config.make_embedding()
        self.mean, self.scale = config.statistics[target]
        moments = [config.statistics[name] for name in config.inputs]
        for part, name in enumerate(("centre", "spread")):
            values = torch.tensor([pair[part] for pair in moments])
            self.register_buffer(name, rearrange(values, "k -> k 1 1"), persistent=False)

    @abstractmethod
    def repeated_layers(self) -> Iterable[nn.Module]:
        """Return the layers to be compiled, recomputed or spread over processes one by one."""

    def own_losses(self, seen: Batch, output: Batch, batch: Batch) -> dict[str, Tensor]:
        """Return loss terms that only this network has, by the names in `config.own_losses`.

        Each is a dimensionless scalar, a mean over the windows. The network made `output` of
        `seen`; the truth is in `batch`.
        """
        return {}

    def _check(self, batch: Batch) -> None:
        expected = (self.config.frames, *self.config.grid)
        found = (batch.frames, *batch.coordinates.shape)
        if found != expected:
            raise UsageError(
                f"the batch has (frames, rows, columns) {found}, the model {expected}; "
                "set model.frames and model.grid to those of the data"
            )

    @torch.no_grad()
    def _first_guess(self, batch: Batch) -> Tensor | None:
        """Return the background (B, 1 or T, H, W), µmol mol-1, or None."""
        if self.background is None:
            return None
        if BACKGROUND in batch.fields:
            return batch.fields[BACKGROUND]
        guess: Batch = self.background(batch)
        return guess.fields[CO2]

    def _channels(self, batch: Batch, background: Tensor | None) -> dict[str, Tensor]:
        """Return the normalised inputs {group: (B, T, C_g, H, W)}, all but the embedding."""
        reference = self.mean if background is None else background
        innovation, mask = innovations(batch, reference, self.scale)  # (B, T, H, W) each
        seen = [innovation, mask] if self.config.mask_channel else [innovation]
        groups = {"observations": torch.stack(seen, dim=2)}  # (B, T, C_g, H, W)
        if background is not None:
            level = ((background - self.mean) / self.scale).expand(-1, batch.frames, -1, -1)
            groups["background"] = rearrange(level, "b t h w -> b t 1 h w")
        if self.config.inputs:
            fields = [self._field(batch, name) for name in self.config.inputs]
            groups["auxiliaries"] = torch.stack(fields, dim=2).sub_(self.centre).div_(self.spread)
        return groups

    def _embedded_wind(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """Return u and v (B, T, H, W) in m/s, or z-scored for the index scaling."""
        if not self.embedding.needs_wind:
            return None, None
        given = self.config.embedded_wind
        wind = {name: self._field(batch, name) for name in given}
        if self.config.wind_scaling == "index" and "vas" in wind:
            mean, deviation = self.config.statistics["vas"]
            wind["vas"] = (wind["vas"] - mean) / deviation
        still = torch.zeros_like(wind[given[0]])
        u, v = (wind.get(name, still) for name in WIND)
        return u, v

    @staticmethod
    def _field(batch: Batch, name: str) -> Tensor:
        if name not in batch.fields:
            raise DataError(
                f"the batch has no field {name!r}; add it to the store or drop it from the model"
            )
        return batch.fields[name].expand(-1, batch.frames, -1, -1)  # (B, T, H, W)
