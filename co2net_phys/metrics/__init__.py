"""How good a reconstruction is: area-weighted scores on the grid, in regions and at stations.

Conventions throughout:

* fields are arrays (time, lat, lon) in µmol mol⁻¹;
* weights are (lat,) from `latitude_weights`, or (lat, lon);
* a mask is boolean, (lat, lon) or (time, lat, lon), True where cells count;
* a cell whose truth or climatology is NaN has no weight; a NaN prediction of a known truth makes
  the score NaN, so that a method cannot gain by leaving out hard cells;
* a score over no cells, or one that would divide by zero variance, is NaN.

Besides single scores there are series of scores (`rmse_series`), how sure they are
(`block_bootstrap`, `paired_difference`, `cluster_bootstrap`), spectra, curves of events and
long-term trends.
"""

from co2net_phys.metrics.at_stations import station_scores
from co2net_phys.metrics.autocorrelation import block_length, correlation_time
from co2net_phys.metrics.bootstrap import (
    Difference,
    Interval,
    block_bootstrap,
    cluster_bootstrap,
    cluster_difference,
    median_absolute,
    paired_difference,
    root_mean_square,
)
from co2net_phys.metrics.cells import latitude_weights
from co2net_phys.metrics.events import EVENTS, Event, event_curve, event_scores
from co2net_phys.metrics.grid_scores import (
    acc,
    bias,
    correlation,
    global_mean_drift,
    mae,
    median_abs_error,
    r2,
    rmse,
    score,
)
from co2net_phys.metrics.grid_series import bias_series, mae_series, mean_series, rmse_series
from co2net_phys.metrics.long_term import Trend, trend, trend_comparison
from co2net_phys.metrics.sampling import sample_at
from co2net_phys.metrics.spectrum import (
    SpectralComparison,
    Spectrum,
    compare_spectra,
    zonal_spectrum,
)
from co2net_phys.metrics.spherical_spectrum import degree_spectrum

__all__ = [
    "EVENTS",
    "Difference",
    "Event",
    "Interval",
    "SpectralComparison",
    "Spectrum",
    "Trend",
    "acc",
    "bias",
    "bias_series",
    "block_bootstrap",
    "block_length",
    "cluster_bootstrap",
    "cluster_difference",
    "compare_spectra",
    "correlation",
    "correlation_time",
    "degree_spectrum",
    "event_curve",
    "event_scores",
    "global_mean_drift",
    "latitude_weights",
    "mae",
    "mae_series",
    "mean_series",
    "median_abs_error",
    "median_absolute",
    "paired_difference",
    "r2",
    "rmse",
    "rmse_series",
    "root_mean_square",
    "sample_at",
    "score",
    "station_scores",
    "trend",
    "trend_comparison",
    "zonal_spectrum",
]
