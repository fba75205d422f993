"""Maps of the rivals of the fusion network, scored like those of `co2phys reconstruct`.

The numbers of docs/results/satellite.md. Run beside the world and the samples that the page makes:

    python docs/scripts/satellite_maps.py samples.zarr world rivals.json
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from co2net_phys.json_text import json_text
from co2net_phys.satellite import assess_maps
from co2net_phys.satellite.covariate_store import covariate_files, open_covariates
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.maps import write_maps
from co2net_phys.satellite.methods import RIVALS
from co2net_phys.satellite.region import Region, days_between
from co2net_phys.satellite.sample_store import read_samples

REGION = Region(103, 29, 105, 31, 0.1)
RUNS = [
    ("ridge", 0),
    *((name, seed) for seed in (1, 2, 3) for name in ("xgboost", "random-forest")),
]


def main(samples_path, world, output):
    """Write the scores of every run to a JSON file, after each."""
    samples = read_samples(Path(samples_path)).samples
    covariates = open_covariates(*covariate_files(Path(world) / "covariates"), region=REGION)
    truth = DailyMaps.open(Path(world) / "truth.zarr")
    days = days_between(str(samples.time.min()), str(samples.time.max()))
    found = {}
    for name, seed in RUNS:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "maps.zarr"
            fitted = RIVALS[name](seed).fit(samples)
            write_maps(fitted, covariates, REGION, days, path, attributes={})
            scores = assess_maps.assess(DailyMaps.open(path), truth, {}).scores
        found[f"{name}, seed {seed}"] = scores["fields"]["fusion"]
        Path(output).write_text(json_text(found))
        print(name, seed, json.dumps(scores["fields"]["fusion"]["rmse"]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
