"""Predictions beside one another: none is lost, and all are compared on the same days."""

import numpy as np
import pytest

from co2net_phys.errors import DataError, UsageError
from co2net_phys.fluxes.assessing import Reference, open_all
from co2net_phys.fluxes.inversions import write_inversions
from co2net_phys.fluxes.schema import NEE
from co2net_phys.fluxes.system import assess


@pytest.fixture
def write_nee(coarse_land, tmp_path):
    """Write NEE of some years, `offset` too high, as a model called `name` would."""

    def write(path, offset=0.0, years=("2001", "2003"), name="EC"):
        store = coarse_land.nee_store.copy(data={NEE: coarse_land.nee + offset})
        target = tmp_path / path
        target.parent.mkdir(exist_ok=True)
        found = store.sel(time=slice(*years)).assign_attrs(title=f"Output of {name}")
        found.to_netcdf(target)
        return target

    return write


def test_predictions_of_one_model_and_file_name_are_told_apart(write_nee):
    paths = [write_nee("a/nee.nc"), write_nee("b/nee.nc"), write_nee("c.nc"), write_nee("d.nc")]
    found = [one.name for one in open_all(paths)]
    assert found == [f"EC ({paths[0]})", f"EC ({paths[1]})", "EC (c)", "EC (d)"]
    assert open_all([write_nee("t.nc", name="truth")])[0].name == "truth (t)"
    with pytest.raises(UsageError, match="is given twice"):
        open_all([paths[0], paths[0]])


def test_all_are_compared_on_the_days_that_all_have(write_nee, caplog):
    long, short = write_nee("long.nc", 0.1), write_nee("short.nc", 0.1, ("2002", "2003"), "EC-ATM")
    found = assess([long, short], write_nee("truth.nc"))
    assert "only 2002-01-01 to 2003-12-31 is compared" in caplog.text
    assert (found.scores["first_month"], found.scores["last_month"]) == ("2002-01", "2003-12")
    one, other = (method["truth"]["GLOBAL"] for method in found.scores["methods"].values())
    assert one["annual"] == other["annual"]
    with pytest.raises(DataError, match="no day in common"):
        assess([write_nee("first.nc", years=("2001", "2001")), short], long)


def test_a_longer_record_of_inversions_is_no_other_reference(write_nee, coarse_land, tmp_path):
    write_inversions(coarse_land.inversions(), tmp_path / "inversions.nc")
    reference = Reference(tmp_path / "inversions.nc")
    (method,) = reference.of_same_time(open_all([write_nee("short.nc", years=("2002", "2002"))]))
    found = reference.scores(method)["inversions"]["GLOBAL"]["annual"]
    np.testing.assert_allclose(found["mean"], found["reference_mean"], rtol=1e-4)
