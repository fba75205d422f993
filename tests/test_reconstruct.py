import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2
from co2net_phys.data.splits import block_split, split_frames
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows, window_ends
from co2net_phys.errors import DataError, NumericalError, UsageError
from co2net_phys.model import CO2Net, CO2NetConfig
from co2net_phys.preparation import chosen_stations
from co2net_phys.reconstruct import predictions, reconstruct, reconstruction_attributes, windows_of


@pytest.fixture(scope="module")
def store(small_world):
    return TrainingStore(small_world(), "world.nc")


@pytest.fixture(scope="module")
def windows(store):
    frames = split_frames(store, block_split(store, 4), "test")
    return Windows(store, window_ends(store, frames, 4), np.arange(6), 4)


@pytest.fixture(scope="module")
def trained(store):
    """An untrained model with what its checkpoint would say."""
    statistics = dict.fromkeys((CO2, *store.auxiliaries), (400.0, 5.0))
    model = CO2Net(CO2NetConfig(size="XS", frames=4, grid=(18, 24), statistics=statistics))
    train, held_out = chosen_stations(store, 72, 0)
    metadata = {
        "split": block_split(store, 4), "config": {"size": "XS", "seed": 0},
        "training_stations": [s.code for s in train],
        "held_out_stations": [s.code for s in held_out],
    }  # fmt: skip
    return model.eval(), metadata


def truth(batch):
    return batch


def broken(batch):
    return batch.with_fields(**{CO2: batch.fields[CO2] * float("nan")})


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_method_is_applied_to_every_window_in_order(windows, store, size):
    found = list(predictions(truth, windows, size))
    assert [frame for frame, _ in found] == list(windows.ends)
    np.testing.assert_array_equal(
        np.stack([field for _, field in found]), store.field(CO2, windows.ends)
    )


@pytest.mark.parametrize("name", ["rec.nc", "rec.zarr"])
def test_the_file_holds_the_last_frame_of_every_window(windows, store, tmp_path, name):
    done = []
    count = reconstruct(
        truth, windows, tmp_path / name, attributes={"title": "t"}, progress=done.append
    )
    options = {"engine": "zarr", "consolidated": False} if name.endswith("zarr") else {}
    with xr.open_dataset(tmp_path / name, **options) as data:
        np.testing.assert_array_equal(data[CO2], store.field(CO2, windows.ends))
        np.testing.assert_array_equal(data["time"], store.times.values[windows.ends])
        np.testing.assert_allclose(data["latitude"], store.latitude)
    assert count == len(windows) == done[-1]


def test_a_field_that_is_not_finite_leaves_nothing(windows, tmp_path):
    with pytest.raises(NumericalError, match=r"2010-03-\d\d.*not finite"):
        reconstruct(broken, windows, tmp_path / "rec.nc", attributes={})
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept_unless_asked(windows, tmp_path):
    (tmp_path / "rec.nc").write_text("precious")
    with pytest.raises(DataError, match=r"rec\.nc: already exists.*--overwrite"):
        reconstruct(truth, windows, tmp_path / "rec.nc", attributes={})
    assert (tmp_path / "rec.nc").read_text() == "precious"
    reconstruct(truth, windows, tmp_path / "rec.nc", attributes={}, overwrite=True)
    assert (tmp_path / "rec.nc").stat().st_size > 1000


def test_the_model_gets_its_own_stations_and_never_the_target(trained, store):
    model, metadata = trained
    windows = windows_of(model, metadata, store, "test")
    codes = [store.stations[index].code for index in windows.stations]
    assert codes == metadata["training_stations"]
    assert not set(codes) & set(metadata["held_out_stations"])
    assert CO2 not in windows.batch([0]).fields
    first, last = metadata["split"]["test"]
    moments = store.times.values[windows.ends].astype("datetime64[s]").astype(str)
    assert first <= moments[0] < moments[-1] == last
    frames = windows.ends[0] - model.config.frames + 1
    assert str(store.times.values[frames])[:19] == first, "no frame of an earlier block"


def test_batches_do_not_change_the_answer(trained, store):
    model, metadata = trained
    windows = windows_of(model, metadata, store, "validation")
    one, many = (
        np.stack([field for _, field in predictions(model, windows, size)]) for size in (1, 5)
    )
    np.testing.assert_allclose(one, many, atol=1e-3)


def test_held_out_stations_cannot_change_the_map(trained, store, small_world):
    model, metadata = trained
    changed = small_world()
    unseen = np.isin(changed["station_code"].values, metadata["held_out_stations"])
    assert unseen.sum() == 2
    changed["co2s_station"][:, unseen] = 9e3
    other = TrainingStore(changed, "changed.nc")
    first, second = (
        next(predictions(model, windows_of(model, metadata, one, "test"), 4))[1]
        for one in (store, other)
    )
    np.testing.assert_array_equal(first, second)


def test_a_store_that_does_not_fit_the_model(trained, small_world):
    model, metadata = trained
    data = small_world()
    for change, message in (
        (data.isel(latitude=slice(0, 9)), "grid"),
        (data.drop_vars("huss"), "'huss'"),
        (data.isel(station=slice(0, 5)), "no observations at"),
        (data.assign_coords(time=data["time"] + np.timedelta64(900, "D")), "no time step between"),
    ):
        with pytest.raises(DataError, match=rf"other\.nc: .*{message}"):
            windows_of(model, metadata, TrainingStore(change, "other.nc"), "test")
    with pytest.raises(UsageError, match="exam"):
        windows_of(model, metadata, TrainingStore(data, "other.nc"), "exam")


def test_the_attributes_say_what_was_seen(trained):
    _, metadata = trained
    attributes = reconstruction_attributes(metadata, ["co2phys"], [], "test")
    assert attributes["held_out_stations"].split() == metadata["held_out_stations"]
    assert attributes["training_stations"].split() == metadata["training_stations"]


@pytest.mark.parametrize(("axis", "shift"), [("latitude", 1.0), ("longitude", 7.5)])
def test_a_store_on_shifted_axes_does_not_fit(trained, small_world, axis, shift):
    model, metadata = trained
    data = small_world()
    known = {name: data[name].values.tolist() for name in ("latitude", "longitude")}
    assert len(windows_of(model, metadata | known, TrainingStore(data, "o.nc"), "test")) > 1
    moved = TrainingStore(data.assign_coords({axis: data[axis] + shift}), "other.nc")
    with pytest.raises(DataError, match=rf"other\.nc: {axis} goes from .*regrid"):
        windows_of(model, metadata | known, moved, "test")


def test_a_store_of_another_time_step_does_not_fit(trained, small_world):
    model, metadata = trained
    other = TrainingStore(small_world(hours=2), "two-hourly.nc")
    with pytest.raises(DataError, match=r"two-hourly\.nc: time step 7200 s.*10800 s"):
        windows_of(model, metadata, other, "train")
