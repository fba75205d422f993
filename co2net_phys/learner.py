"""Network and losses of a surface field as one module."""

from __future__ import annotations

from torch import Tensor

from co2net_phys.batch import Batch
from co2net_phys.config import TrainingConfig
from co2net_phys.devices import autocast
from co2net_phys.network import Network
from co2net_phys.objective import Objective
from co2net_phys.task import TOTAL, Learner


class SurfaceLearner(Learner):
    """From a batch of surface fields to its losses.

    Parameters
    ----------
    model
        The network.
    objective
        Its losses, which may have weights of their own to learn.
    config
        Says in which precision the network works.
    """

    model: Network
    objective: Objective

    def __init__(self, model: Network, objective: Objective, config: TrainingConfig) -> None:
        super().__init__(model, objective)
        self.precision = config.precision

    def forward(self, seen: Batch, batch: Batch, hidden: Batch) -> dict[str, Tensor]:
        """Return the losses by name, with their weighted sum as `TOTAL`.

        The network sees `seen`; targets are the fields of `batch` and the observations of `hidden`.
        """
        with autocast(self.objective.area.device, self.precision):
            output = self.model(seen)
            own = self.model.own_losses(seen, output, batch)
        terms = self.objective.terms(output, batch, hidden) | own
        return {**terms, TOTAL: self.objective.total(terms)}
