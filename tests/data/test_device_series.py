"""The series on the device gives the bits of the store; it is refused where it does not fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.data import device_series, free_memory
from co2net_phys.data.device_series import (
    SHARE,
    SeriesPlan,
    SeriesWindows,
    load_series,
    plan_series,
    windows_on,
)
from co2net_phys.data.prefetch import PrefetchedWindows
from co2net_phys.data.schema import AUXILIARIES, CO2, STATION_CO2
from co2net_phys.data.store import TrainingStore, open_store
from co2net_phys.data.windows import Windows, window_ends
from co2net_phys.errors import DataError, UsageError

DEVICES = [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()
CPU = torch.device("cpu")
TRAIN, VALIDATION = np.arange(5, 40), np.arange(47, 60)


def tensors(batch):
    """All tensors of a batch by name."""
    observations, coordinates = vars(batch.observations), vars(batch.coordinates)
    return {**batch.fields, **observations, **{f"at {k}": v for k, v in coordinates.items()}}


def assert_same_bits(batch, expected):
    found, wanted = tensors(batch), tensors(expected)
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype, name
        assert found[name].device == values.device, name
        assert found[name].shape == values.shape, name
        whole = torch.int32 if values.dtype == torch.float32 else torch.int64
        bits = [t.contiguous().view(whole) for t in (found[name], values)]  # NaN is NaN
        assert torch.equal(*bits), name


@pytest.fixture(scope="module")
def data(small_world):
    """A world with missing targets and observations, and a gap in time."""
    world = small_world(62).isel(time=[*range(20), *range(22, 62)])
    rng = np.random.default_rng(3)
    for name in (CO2, STATION_CO2):
        values = world[name].values
        values[rng.random(values.shape) < 0.1] = np.nan
    for name in AUXILIARIES:
        world[name].values += rng.normal(size=world[name].shape)
    return world


@pytest.fixture(scope="module", params=["memory", "zarr"])
def store(request, data, tmp_path_factory):
    if request.param == "memory":
        return TrainingStore(data, "world.nc")
    return open_store(write_chunked(data, tmp_path_factory.mktemp("s") / "world.zarr"), 0)


def write_chunked(data, path):
    """Write a store whose files hold 16 frames each, as `co2phys simulate` does."""
    chunks = {d: 16 if d == "time" else size for d, size in data.sizes.items()}
    names = [*AUXILIARIES, CO2, STATION_CO2]
    encoding = {name: {"chunks": [chunks[d] for d in data[name].dims]} for name in names}
    data.to_zarr(path, encoding=encoding, zarr_format=3, consolidated=False)
    return path


def block(store, frames, length=4, with_target=True, stations=(6, 2, 5)):
    ends = window_ends(store, frames, length)
    return Windows(store, ends, np.array(stations), length, with_target)


@pytest.fixture(scope="module", params=DEVICES, ids=str)
def pair(request, store):
    """Training and validation windows as they are, and from the series on a device."""
    plain = [block(store, TRAIN), block(store, VALIDATION)]
    return plain, windows_on(request.param, plain, "always"), request.param


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_windows_have_the_bits_of_the_store(pair, data):
    plain, series, device = pair
    which = data.draw(st.integers(0, 1))
    inside = st.lists(st.integers(0, len(plain[which]) - 1), min_size=1, max_size=6)
    positions = np.array(data.draw(inside))
    assert_same_bits(series[which].batch(positions), plain[which].batch(positions).to(device))


def test_streams_and_batches_come_in_order(pair):
    plain, series, device = pair
    order = np.random.default_rng(1).permutation(len(plain[0]))
    for found, wanted in zip(series[0].batches(5, order), plain[0].batches(5, order), strict=True):
        assert_same_bits(found, wanted.to(device))
    groups = [[3, 1], [0], [7, 7, 2]]
    for found, wanted in zip(series[1].stream(groups), plain[1].stream(groups), strict=True):
        assert_same_bits(found, wanted.to(device))


def test_other_stations_and_no_target(pair):
    plain, series, device = pair
    for stations in ([0], [7, 6, 5, 4, 3, 2, 1, 0]):
        found = replace(series[0], stations=np.array(stations), with_target=False)
        wanted = replace(plain[0], stations=np.array(stations), with_target=False)
        assert CO2 not in found.batch([4]).fields
        assert_same_bits(found.batch([9, 2]), wanted.batch([9, 2]).to(device))


def test_a_frame_is_kept_once_and_static_fields_once(pair):
    plain, series, device = pair
    kept = series[0].series
    assert series[1].series is kept
    frames = {frame for part in plain for frame in part.frames(np.arange(len(part))).ravel()}
    assert len(frames) < 60  # those between the blocks are not loaded
    assert kept.fields["oro"].shape == (1, 18, 24)
    assert {len(kept.fields[name]) for name in kept.fields if name != "oro"} == {len(frames)}
    assert kept.nbytes == plan_series(device, plain).needed


def test_gathering_copies_no_static_field(pair):
    _, series, _ = pair
    orography = series[0].batch([0, 1, 2]).fields["oro"]
    assert orography.data_ptr() == series[0].series.fields["oro"].data_ptr()


def test_the_store_forgets_what_the_device_holds(data):
    store = TrainingStore(data, "world.nc")
    windows = block(store, TRAIN)
    before = windows.batch([3])
    load_series(CPU, [windows])
    assert store._kept == {}
    assert_same_bits(windows.batch([3]), before)


def test_progress_counts_up_to_everything(store):
    seen = []
    plain = [block(store, TRAIN)]
    load_series(CPU, plain, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert {total for _, total in seen} == {plan_series(CPU, plain).needed}
    assert seen[-1][0] == seen[-1][1]


def test_each_chunk_is_read_once_while_a_series_is_loaded(data, tmp_path, monkeypatch):
    store = open_store(write_chunked(data, tmp_path / "w.zarr"), 0)
    monkeypatch.setattr(device_series, "READ_BYTES", 1)
    plain = block(store, np.arange(60))
    reads = []
    once = store.read_once
    monkeypatch.setattr(store, "read_once", lambda *a: reads.append(a) or once(*a))
    load_series(CPU, [plain])
    assert sorted(a[1:] for a in reads if a[0] == "ps") == [(0, 16), (16, 32), (32, 48), (48, 60)]


@pytest.mark.parametrize(
    ("free", "mode", "kind"),
    [
        (1.01 / SHARE, "auto", SeriesWindows),
        (0.99 / SHARE, "auto", PrefetchedWindows),
        (1.01, "always", SeriesWindows),
        (100.0, "never", PrefetchedWindows),
        (None, "auto", PrefetchedWindows),
        (None, "always", SeriesWindows),
    ],
)
def test_what_fits_is_loaded(store, monkeypatch, free, mode, kind):
    plain = [block(store, TRAIN), block(store, VALIDATION)]
    known = None if free is None else int(free * plan_series(CPU, plain).needed)
    monkeypatch.setattr(device_series, "free_memory", lambda device: known)
    found = windows_on(CPU, plain, mode)
    assert [type(windows) for windows in found] == [kind, kind]
    for windows, wanted in zip(found, plain, strict=True):
        assert_same_bits(windows.batch([1, 0]), wanted.batch([1, 0]))


def test_processes_share_the_memory_of_the_machine(store, monkeypatch):
    plain = [block(store, TRAIN)]
    free = int(1.5 / SHARE * plan_series(CPU, plain).needed)
    monkeypatch.setattr(device_series, "free_memory", lambda device: free)
    assert isinstance(windows_on(CPU, plain)[0], SeriesWindows)
    assert isinstance(windows_on(CPU, plain, processes=2)[0], PrefetchedWindows)


def test_always_is_refused_in_one_line_where_it_does_not_fit(store, monkeypatch):
    monkeypatch.setattr(device_series, "free_memory", lambda device: 1000)
    with pytest.raises(UsageError, match=r"series takes 0\.0 GB and 0\.0 GB are free on cpu; use"):
        windows_on(CPU, [block(store, TRAIN)], "always")


def test_memory_that_runs_out_while_loading_is_one_line(store, monkeypatch):
    def full(*shape, **options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(device_series.torch, "empty", full)
    with pytest.raises(UsageError, match="--series-on-device"):
        load_series(CPU, [block(store, TRAIN)])


def test_windows_outside_the_series_are_refused(store):
    series = load_series(CPU, [block(store, TRAIN, with_target=False)])
    outside = block(store, VALIDATION, with_target=False)
    parts = outside.store, outside.ends, outside.stations, outside.length
    with pytest.raises(ValueError, match="all frames"):
        SeriesWindows(*parts, with_target=False, series=series)
    inside = block(store, TRAIN)
    with pytest.raises(ValueError, match="without the target"):
        SeriesWindows(*(store, inside.ends, inside.stations, 4), series=series)


def test_a_store_that_cannot_be_read_says_so(data, tmp_path):
    store = open_store(write_chunked(data, tmp_path / "w.zarr"), 0)
    for chunk in (tmp_path / "w.zarr" / "tas" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"not a chunk")
    with pytest.raises(DataError, match=r"w\.zarr: variable 'tas': cannot be read"):
        windows_on(CPU, [block(store, TRAIN)], "always")
    hole = data.copy(deep=True)
    hole["uas"][30, 3, 4] = np.nan
    with pytest.raises(DataError, match="'uas' has 1 missing"):
        load_series(CPU, [block(TrainingStore(hole, "w", 0), TRAIN)])
    blind = TrainingStore(data.drop_dims("station"), "w", 0)
    with pytest.raises(DataError, match="no observations"):
        load_series(CPU, [block(blind, TRAIN, stations=())])


def test_a_plan_counts_the_bytes_of_the_paper():
    plan = SeriesPlan(needed=16 * 10**9, free=80 * 10**9)
    assert plan.fits
    assert not SeriesPlan(needed=33 * 10**9, free=80 * 10**9).fits
    assert not SeriesPlan(needed=1, free=None).fits


def test_free_memory_is_that_of_the_machine():
    free = free_memory.free_memory(CPU)
    assert free is not None
    assert 2**24 < free < 2**46
    assert free_memory.free_memory(torch.device("meta")) is None


def test_free_memory_heeds_the_limits_of_a_job(tmp_path, monkeypatch):
    process, groups = tmp_path / "proc", tmp_path / "groups"
    job = groups / "slurm" / "job"
    for folder in (process / "self", job):
        folder.mkdir(parents=True)
    (process / "meminfo").write_text("MemTotal: 900 kB\nMemAvailable:    800 kB\n")
    (process / "self" / "cgroup").write_text("0::/slurm/job\n")
    monkeypatch.setattr(free_memory, "PROCESS", process)
    monkeypatch.setattr(free_memory, "GROUPS", groups)
    assert free_memory.free_memory(CPU) == 800 * 1024
    for group, limit in ((job, "max"), (job.parent, "5000")):
        (group / "memory.max").write_text(limit)
        (group / "memory.current").write_text("4000")
        (group / "memory.stat").write_text("anon 3000\ninactive_file 700\n")
    assert free_memory.free_memory(CPU) == 1700
    (process / "meminfo").unlink()
    assert free_memory.free_memory(CPU) == 1700
