"""What a network reconstructs: the target's field, and its values at stations."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from co2net_phys.batch import Batch, Observations
from co2net_phys.data.schema import CO2
from co2net_phys.errors import DataError
from co2net_phys.nn.rasterise import sample


def target_field(batch: Batch, variable: str) -> Tensor:
    """Return the true field of `variable` at the last frame, (B, 1, H, W), in its unit.

    Raises
    ------
    DataError
        The batch does not hold the variable.
    """
    if variable not in batch.fields:
        raise DataError(f"the batch has no field {variable!r}, the target; add it to the store")
    return batch.fields[variable][:, -1:]


def observations_of(batch: Batch, variable: str) -> Observations:
    """Return what the stations of `batch` see of `variable`, in its unit.

    Stations observe CO2. Any other variable is read from its own field (B, T, H, W) at the sites,
    bilinearly, wherever and whenever the station reports CO2; stations hidden by NaN stay hidden.
    The CO2-Net paper, appendix F.2, too takes the same sites for every variable.

    Raises
    ------
    DataError
        The batch does not hold the variable at all its frames.
    """
    seen = batch.observations
    if variable == CO2:
        return seen
    field = batch.fields.get(variable)
    if field is None or field.shape[1] != batch.frames:
        raise DataError(
            f"the batch does not hold {variable!r} at its {batch.frames} frames, which the "
            "stations observe; add it to the store"
        )
    at_sites = sample(field, seen.latitude, seen.longitude, batch.coordinates)  # (B, T, S)
    return replace(seen, value=at_sites.masked_fill(seen.value.isnan(), torch.nan))
