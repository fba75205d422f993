"""Options that make no sense, and places that cannot be written."""

import collections
import errno
import os
import shutil
import sys

import xarray as xr
import zarr
from bad_input import Group
from inputs import CARBONTRACKER, days

OPTIONS = Group("Options and output", CARBONTRACKER)
PLAIN = "data prepare carbontracker --input 'CT*.nc' --output store.zarr"


@OPTIONS.refused("`--start` after `--end`", more="--start 2010-01-03 --end 2010-01-01")
def start_after_end(folder):
    days(folder)


@OPTIONS.refused("A `--start` that is no date", code=2, more="--start winter")
def no_date(folder):
    days(folder)


@OPTIONS.refused("A period without files", more="--start 1999 --end 1999")
def other_period(folder):
    days(folder)


@OPTIONS.refused(
    "A variable that a store does not take (`--variables rain`)", code=2, more="--variables rain"
)
def unknown_variable(folder):
    days(folder)


@OPTIONS.refused("`--grid 0x3`", code=2, command=PLAIN, more="--grid 0x3")
def no_grid(folder):
    days(folder)


@OPTIONS.refused("`--grid 2x7`", code=2, command=PLAIN, more="--grid 2x7")
def uneven_grid(folder):
    days(folder)


@OPTIONS.refused("`--split random`", code=2, more="--split random")
def unknown_split(folder):
    days(folder)


@OPTIONS.refused("Training years without a frame (`--split cmip6`)", more="--split cmip6")
def no_training_years(folder):
    days(folder)


@OPTIONS.refused("`--units co2=`", code=2, more="--units co2=")
def half_a_unit(folder):
    days(folder)


@OPTIONS.refused("`--workers 0`", code=2, more="--workers 0")
def no_workers(folder):
    days(folder)


def without_distributed(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "distributed", None)


@OPTIONS.refused(
    "`--scheduler` where the package distributed is not installed",
    code=2, more="--scheduler tcp://127.0.0.1:8786", disturb=without_distributed,
)  # fmt: skip
def no_cluster(folder):
    days(folder)


TO = "data prepare carbontracker --input 'CT*.nc' --grid source --output"


@OPTIONS.refused("An output that is there already")
def exists(folder):
    days(folder)
    zarr.open_group(folder / "store.zarr", mode="w").attrs["mine"] = 1


@OPTIONS.refused("An output that is a folder of other things")
def other_folder(folder):
    days(folder)
    (folder / "store.zarr").mkdir()
    (folder / "store.zarr/thesis.tex").write_text("mine")


@OPTIONS.refused("The same, with `--overwrite`", more="--overwrite")
def other_folder_overwritten(folder):
    other_folder(folder)


@OPTIONS.refused("An output that does not end in .zarr", code=2, command=f"{TO} store.nc")
def not_zarr(folder):
    days(folder)


@OPTIONS.refused("An output below a file", command=f"{TO} file/store.zarr")
def below_a_file(folder):
    days(folder)
    (folder / "file").write_text("mine")


@OPTIONS.refused(
    "An output inside the folder of the input",
    code=2,
    command="data prepare carbontracker --input raw --grid source --output raw/store.zarr",
)
def inside_input(folder):
    (folder / "raw").mkdir()
    days(folder / "raw")


@OPTIONS.refused(
    "An output inside a store that is an input",
    code=2,
    command="data prepare carbontracker --input old.zarr --grid source --output old.zarr/new.zarr",
)
def inside_store(folder):
    (first, *_) = days(folder)
    with xr.open_dataset(first) as data:
        data.load().drop_encoding().to_zarr(folder / "old.zarr", zarr_format=3, consolidated=False)


@OPTIONS.refused(
    "An output that is an input",
    code=2,
    more="--overwrite",
    command="data prepare carbontracker --input old.zarr --grid source --output old.zarr",
)
def replaces_input(folder):
    inside_store(folder)


def forbid_writing(monkeypatch, folder):
    usual = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode, **more: not mode & os.W_OK and usual(path, mode, **more)
    )


@OPTIONS.refused("A folder that may not be written", disturb=forbid_writing)
def no_permission(folder):
    days(folder)


def fill_disk(monkeypatch, folder):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))


@OPTIONS.refused("A disk with too little space", disturb=fill_disk)
def full_disk(folder):
    days(folder)


def fill_disk_late(monkeypatch, folder):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zarr.Array, "__setitem__", full)


@OPTIONS.refused("A disk that is full half-way", disturb=fill_disk_late)
def full_disk_late(folder):
    days(folder)
