"""Batches made in the background: same order and bits, bounded memory, clean ends."""

import gc
import signal
import threading
import time
import tracemalloc

import numpy as np
import pytest
import torch

from co2net_phys.data import frame_cache
from co2net_phys.data.prefetch import PrefetchedWindows, pinned, prefetch
from co2net_phys.data.schema import AUXILIARIES, CO2, STATION_CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.data.windows import Windows, shuffled, window_ends
from co2net_phys.errors import DataError

FRAMES, CHUNK = 160, 8


@pytest.fixture(scope="module")
def path(small_world, tmp_path_factory):
    data = small_world(FRAMES)
    path = tmp_path_factory.mktemp("prefetch") / "world.zarr"
    encoding = {name: {"chunks": (CHUNK, 18, 24)} for name in (*AUXILIARIES[:-1], CO2)}
    encoding[STATION_CO2] = {"chunks": (CHUNK, 8)}
    data.to_zarr(path, encoding=encoding, zarr_format=3, consolidated=False)
    return path


def windows_of(path, cache_bytes, kind=PrefetchedWindows, memory_limit=0, **options):
    import xarray as xr

    data = xr.open_zarr(path, consolidated=False, chunks=None)
    store = TrainingStore(data, str(path), memory_limit, cache_bytes=cache_bytes)
    ends = window_ends(store, np.arange(FRAMES), 4)
    return kind(store, ends, np.array([4, 1]), 4, **options)


def loader_threads():
    return [t for t in threading.enumerate() if t.name.startswith("co2phys-prefetch")]


def assert_equal(batch, expected):
    assert batch.fields.keys() == expected.fields.keys()
    for name, values in expected.fields.items():
        assert torch.equal(batch.fields[name], values), name
    assert torch.equal(batch.observations.value, expected.observations.value)
    for name, values in vars(expected.coordinates).items():
        assert torch.equal(getattr(batch.coordinates, name), values), name


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("cache_bytes", [0, 2**16, 2**29])
def test_batches_are_those_of_the_store_in_order(path, threads, cache_bytes):
    plain = windows_of(path, 0, Windows, memory_limit=2**40)
    read = windows_of(path, cache_bytes, threads=threads)
    order = shuffled(len(plain), 3, 1)
    for batch, wanted in zip(read.batches(7, order), plain.batches(7, order), strict=True):
        assert_equal(batch, wanted)


def test_uneven_groups_and_single_batches(path):
    plain, read = windows_of(path, 0, Windows), windows_of(path, 2**20)
    groups = [np.array([9]), [3, 3, 100], np.array([0, 1, 2, 3])]
    for batch, group in zip(read.stream(groups), groups, strict=True):
        assert_equal(batch, plain.batch(group))
    assert_equal(read.batch([5, 2]), plain.batch([5, 2]))


def test_results_come_in_order_whoever_is_first():
    started = [threading.Event() for _ in range(8)]

    def make(n):
        started[n].set()
        if n % 2 == 0:  # an even one ends after the next odd one has begun
            assert started[n + 1].wait(30)
        return n

    assert list(prefetch(make, range(8), threads=3, ahead=4)) == list(range(8))


def test_no_more_than_ahead_are_taken_in_advance():
    taken = []

    def items():
        for n in range(20):
            taken.append(n)
            yield n

    results = prefetch(lambda n: n, items(), threads=2, ahead=3)
    assert taken == []
    for n in range(10):
        assert next(results) == n
        assert len(taken) <= n + 1 + 3
    results.close()
    assert len(taken) <= 10 + 3


def test_an_exception_comes_in_its_place_and_ends_the_threads():
    def make(n):
        if n == 3:
            raise DataError("chunk 3: truncated")
        return n

    got = []
    with pytest.raises(DataError, match="chunk 3: truncated"):
        got.extend(iter_into(got, prefetch(make, range(100))))
    assert got == [0, 1, 2]
    assert loader_threads() == []


def iter_into(got, results):
    for result in results:
        got.append(result)
    return []


def test_stopping_early_starts_nothing_new_and_ends_the_threads():
    made = []
    results = prefetch(lambda n: made.append(n) or n, iter(range(10**9)), ahead=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()
    assert loader_threads() == []
    assert len(made) <= 3 + 4


def test_an_interrupt_while_waiting_ends_the_threads():
    release = threading.Event()

    def make(n):
        if n == 1:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert release.wait(30)
        return n

    def interrupt(number, frame):
        release.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        results = prefetch(make, range(5), threads=1)
        with pytest.raises(KeyboardInterrupt):
            list(results)
    finally:
        signal.signal(signal.SIGINT, before)
    assert loader_threads() == []


def test_what_cannot_be_read_is_one_line(path, tmp_path):
    import shutil

    broken = tmp_path / "w.zarr"
    shutil.copytree(path, broken)
    (broken / "vas" / "c" / "5" / "0" / "0").write_bytes(b"not a chunk")
    read = windows_of(broken, 2**20)
    good = [n for n in range(len(read)) if read.ends[n] < 5 * CHUNK]
    assert len(list(read.batches(4, good))) == len(good) // 4 + bool(len(good) % 4)
    for _ in range(2):  # a chunk that failed is tried again, not remembered
        with pytest.raises(DataError, match=r"w\.zarr: variable 'vas': cannot be read"):
            list(read.batches(4))
    assert loader_threads() == []


def test_one_read_of_a_chunk_serves_all_windows_of_it(path, monkeypatch):
    read = windows_of(path, 2**29, threads=3)
    reads = counted_reads(read, monkeypatch)
    list(read.batches(5, shuffled(len(read), 0, 0)))
    assert sorted(reads) == sorted(set(reads))
    assert len([name for name, _ in reads if name == "ps"]) == FRAMES // CHUNK


def test_windows_in_order_need_little_of_a_cache(path, monkeypatch):
    read = windows_of(path, 2**19, threads=1)  # an eighth of the store
    reads = counted_reads(read, monkeypatch)
    list(read.batches(5))
    assert len([name for name, _ in reads if name == "ps"]) == FRAMES // CHUNK


def counted_reads(windows, monkeypatch):
    """List that gets the name and number of each block read."""
    reads, cache = [], windows.store._cache
    keep = cache._keep
    names = {}

    def fetch(array, numbers, length, original=cache._fetch):
        names[threading.get_ident()] = str(array.name)
        return original(array, numbers, length)

    def counted(future, block):
        key = next(key for key, known in cache._blocks.items() if known is future)
        reads.append(key)
        keep(future, block)

    monkeypatch.setattr(cache, "_fetch", fetch)
    monkeypatch.setattr(cache, "_keep", counted)
    return reads


def traced_growth(windows, epochs):
    """Bytes that are alive after the last of several epochs beyond those after the first."""
    after = []
    tracemalloc.start()
    try:
        for epoch in range(epochs):
            for batch in windows.batches(6, shuffled(len(windows), 0, epoch)[:24]):
                del batch
            gc.collect()
            after.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return after[-1] - after[0]


@pytest.mark.slow
def test_memory_does_not_grow_over_epochs(path, monkeypatch):
    """Less than one batch (6 windows of 4 frames) more after three epochs than after one."""
    one_batch = 6 * (4 * 6 + 1) * 18 * 24 * 4
    read = windows_of(path, 2**18)
    assert traced_growth(read, 3) < one_batch
    assert read.store._cache.nbytes <= 2**18
    kept = sum(len(b.result().tobytes()) for b in read.store._cache._blocks.values())
    assert kept == read.store._cache.nbytes

    leaking = windows_of(path, 2**18)  # the measure sees a loader that keeps its batches
    leaked, make = [], leaking._ready
    object.__setattr__(leaking, "_ready", lambda p: leaked.append(make(p)) or leaked[-1])
    assert traced_growth(leaking, 3) > one_batch


def test_memory_beside_the_result_does_not_depend_on_how_much_is_read(path, monkeypatch):
    monkeypatch.setattr(frame_cache, "LARGEST_READ", 2**15)
    store = windows_of(path, 2**16).store

    def beside(frames):
        tracemalloc.start()
        try:
            nbytes = store.field("ps", range(frames)).nbytes
            return tracemalloc.get_traced_memory()[1] - nbytes
        finally:
            tracemalloc.stop()

    beside(FRAMES)
    assert beside(FRAMES) < beside(FRAMES // 4) + 2**17  # three quarters are 200 kB


def test_threads_that_want_one_block_read_it_once_and_share_its_failure(path, monkeypatch):
    read = windows_of(path, 2**20)
    store, calls, entered = read.store, [], threading.Event()
    original = store._cache._read

    def slow(array):
        calls.append(array.name)
        entered.set()
        time.sleep(0.05)
        if len(calls) == 1:
            raise DataError("the disk is gone")
        return original(array)

    monkeypatch.setattr(store._cache, "_read", slow)
    errors = []

    def ask():
        try:
            store.field("ps", [1, 2])
        except DataError as error:
            errors.append(str(error))

    first = threading.Thread(target=ask)
    first.start()
    assert entered.wait(30)
    second = threading.Thread(target=ask)
    second.start()
    for thread in (first, second):
        thread.join(30)
    assert errors in (["the disk is gone"], ["the disk is gone"] * 2)
    assert len(calls) == 3 - len(errors)
    np.testing.assert_array_equal(store.field("ps", [1, 2]), store.read_once("ps", 1, 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_batches_arrive_on_the_gpu(path):
    plain = windows_of(path, 0, Windows)
    read = windows_of(path, 2**20, device=torch.device("cuda"))
    assert pinned(plain.batch([0])).fields["ps"].is_pinned()
    for batch, wanted in zip(read.batches(7), plain.batches(7), strict=True):
        assert batch.fields["ps"].is_cuda
        assert_equal(batch.to("cpu"), wanted)
