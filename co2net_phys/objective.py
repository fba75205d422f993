"""The losses of a run, each logged by itself, and the sum that training minimises."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from co2net_phys import losses
from co2net_phys.batch import Batch
from co2net_phys.config import TrainingConfig, check_losses
from co2net_phys.data.schema import standard_error_name
from co2net_phys.model import DECODED, WIND
from co2net_phys.network_config import NetworkConfig
from co2net_phys.physics_losses import TransportResidual, mass_loss
from co2net_phys.solvers import SECONDS_PER_DAY, Grid
from co2net_phys.targets import observations_of, target_field

SECONDS_PER_YEAR = 365.2425 * SECONDS_PER_DAY


class Objective(nn.Module):
    """All losses of a batch, and their weighted sum.

    With `learned_weights` each has a precision that is learned with the network,
    Σ λ_i e^{−s_i} L_i + s_i with s_i = 0 at the start (Kendall, Gal & Cipolla 2018,
    doi:10.1109/CVPR.2018.00781); not so the likelihood of a network that predicts its error, which
    has a precision at every cell and can be negative, nor a network's own terms.

    Parameters
    ----------
    config
        Of the run.
    model
        Of the network.
    grid
        Of the fields.

    Raises
    ------
    UsageError
        The weights contradict the network, see `check_losses`.
    """

    area: Tensor

    def __init__(self, config: TrainingConfig, model: NetworkConfig, grid: Grid) -> None:
        super().__init__()
        self.config, self.model = config, model
        self.scale = model.statistics[model.target_variable][1]
        check_losses(config, model)
        self.weights = {
            "supervised": 1.0,
            "wind": config.wind_weight if model.probes_wind else 0.0,
            "residual": config.residual_weight,
            "mass": config.mass_weight,
            **model.own_losses,
        }
        area = torch.from_numpy(grid.area_weights[:, :1].copy()).float()
        self.register_buffer("area", area / area.mean(), persistent=False)
        self.transport = (
            TransportResidual(grid, config.residual_diffusivity, self.scale)
            if config.residual_weight
            else None
        )
        fixed = {*model.own_losses, *(("supervised",) if model.predicts_variance else ())}
        learned = [name for name, weight in self.weights.items() if weight and name not in fixed]
        self.uncertainty = (
            nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in learned})
            if config.learned_weights
            else None
        )

    def terms(self, output: Batch, batch: Batch, hidden: Batch) -> dict[str, Tensor]:
        """Return every loss, dimensionless, weighted or not.

        `output` is what the network made of `batch`; `hidden` holds the observations that it has
        not seen, the target of a network that learns from stations.
        """
        terms = {"supervised": self._supervised(output, batch, hidden)}
        if self.model.probes_wind:
            terms["wind"] = losses.wind_loss(output, batch, self.model.statistics)
        if DECODED in output.fields:
            decoded, spacing = output.fields[DECODED].float(), 2.0 * self.model.frame_spacing_s
            if self.transport is not None:
                # Tokens are decoded at the odd frames, 1, 3, …; the even ones lie between them.
                u, v = (batch.fields[name][:, 1:] for name in WIND)
                terms["residual"] = self.transport(decoded, (u, v), spacing)
            growth = self.config.mass_growth / SECONDS_PER_YEAR
            terms["mass"] = mass_loss(decoded, self.area, spacing, growth, self.scale)
        return terms

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return what is minimised."""
        weighted = {
            name: self.weights[name] * loss for name, loss in terms.items() if self.weights[name]
        }
        if self.uncertainty is None:
            return torch.stack(list(weighted.values())).sum()
        parts = [
            loss * torch.exp(-self.uncertainty[name]) + self.uncertainty[name]
            if name in self.uncertainty
            else loss
            for name, loss in weighted.items()
        ]
        return torch.stack(parts).sum()

    def _supervised(self, output: Batch, batch: Batch, hidden: Batch) -> Tensor:
        name, at_stations = self.model.target_variable, self.config.target == "stations"
        prediction, where = output.fields[name].float(), batch.coordinates
        weights = self.area if self.config.latitude_weighted else None
        if self.model.predicts_variance:
            error = output.fields[standard_error_name(name)].float()
            if at_stations:
                seen = observations_of(hidden, name)
                return losses.gaussian_station_loss(prediction, error, seen, where, self.scale)
            target = target_field(batch, name)
            return losses.gaussian_loss(prediction, error, target, self.scale, weights)
        if at_stations:
            seen = observations_of(hidden, name)
            return losses.station_loss(prediction, seen, where, self.scale)
        return losses.supervised_loss(prediction, target_field(batch, name), self.scale, weights)
