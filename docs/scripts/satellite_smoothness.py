"""Errors on unseen days of kernel ridge regressions that bend more or less freely, and of ridge.

The numbers of docs/results/satellite.md. Run beside the samples that the page makes:

    python docs/scripts/satellite_smoothness.py samples.zarr
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.kernel_ridge import KernelRidge

from co2net_phys.satellite.folds import block_labels, hold_out
from co2net_phys.satellite.sample_store import read_samples
from co2net_phys.satellite.simple_rivals import Ridge

SEEDS = 1, 2, 3
LENGTHS = 5, 20, 60
PENALTIES = 0.01, 0.1, 1.0


def kernel_ridge(training, test, length, penalty):
    """Prediction at test samples by a fit to every second training sample."""
    centre, spread = training.features.mean(axis=0), training.features.std(axis=0)
    scaled, wanted = (
        (part.features - centre) / np.where(spread > 0, spread, 1) for part in (training, test)
    )
    mean = training.xco2[::2].mean()
    fit = KernelRidge(alpha=penalty, kernel="rbf", gamma=0.5 / length**2)
    return mean + fit.fit(scaled[::2], training.xco2[::2] - mean).predict(wanted)


def main(path):
    """Print the mean RMSE over the seeds of each method."""
    samples = read_samples(Path(path)).samples
    methods = {
        f"length {length}, penalty {penalty}": (
            lambda one, other, length=length, penalty=penalty: kernel_ridge(
                one, other, length, penalty
            )
        )
        for penalty in PENALTIES
        for length in LENGTHS
    }
    methods["ridge"] = lambda one, other: Ridge().fit(one).predict(other)
    folds = [hold_out(block_labels(samples, "day"), 0.2, seed) for seed in SEEDS]
    for name, predicted in methods.items():
        errors = [
            predicted(samples.at(fold.training), samples.at(fold.test)) - samples.xco2[fold.test]
            for fold in folds
        ]
        print(f"{name:<26}{np.mean([np.sqrt(np.mean(e**2)) for e in errors]):.2f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
