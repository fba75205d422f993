"""Files that cannot be read, and folders and links that lead astray."""

import errno
import gzip
import os
from pathlib import Path

import xarray as xr
from bad_input import Group
from checks import same_as_clean
from inputs import CARBONTRACKER, days, path_of

FILES = Group("Files, folders and links", CARBONTRACKER)


@FILES.refused("An empty file (0 bytes)")
def empty(folder):
    days(folder)
    path_of(folder).write_bytes(b"")


@FILES.refused("A file that was cut off during the download")
def truncated(folder):
    days(folder)
    whole = path_of(folder).read_bytes()
    path_of(folder).write_bytes(whole[: len(whole) // 2])


@FILES.refused("A classic NetCDF file that was cut off")
def truncated_classic(folder):
    *_, last = days(folder)
    with xr.open_dataset(last, decode_times=False) as data:
        data.load().drop_encoding().to_netcdf(folder / "last", format="NETCDF3_64BIT")
    last.write_bytes((folder / "last").read_bytes()[:-2000])
    (folder / "last").unlink()


@FILES.refused("A byte changed within the values of a file with checksums")
def damaged(folder):
    days(folder)
    path = path_of(folder)
    with xr.open_dataset(path) as data:
        data = data.load()
    data["co2"].encoding = {"fletcher32": True, "chunksizes": data["co2"].shape}
    data.to_netcdf(path)
    content = bytearray(path.read_bytes())
    content[content.index(data["co2"].values[0, 0].tobytes()) + 100] ^= 1
    path.write_bytes(content)


@FILES.refused("A file compressed with gzip, named .nc")
def gzipped(folder):
    days(folder)
    path_of(folder).write_bytes(gzip.compress(path_of(folder).read_bytes()))


@FILES.refused("Text, or the web page of a login, named .nc")
def text(folder):
    days(folder)
    path_of(folder).write_text("<!DOCTYPE html><title>Please log in</title>")


@FILES.refused("GRIB named .nc")
def grib(folder):
    days(folder)
    path_of(folder).write_bytes(b"GRIB\x00\x00\x00\x02" + bytes(200))


@FILES.refused("A folder whose name ends in .nc")
def folder_named_as_a_file(folder):
    days(folder)
    path_of(folder).unlink()
    path_of(folder).mkdir()


@FILES.refused("A link that leads back to itself")
def link_loop(folder):
    days(folder)
    path_of(folder).unlink()
    path_of(folder).symlink_to(path_of(folder).name)


@FILES.refused("A link to a file that is gone")
def broken_link(folder):
    days(folder)
    path_of(folder).unlink()
    path_of(folder).symlink_to("gone.nc")


@FILES.handled("One file under two names, by a link", "read once", same_as_clean)
def linked_twice(folder):
    days(folder)
    (folder / "CT2022.molefrac_glb3x2_2010-01-02_copy.nc").symlink_to(path_of(folder).name)


def forbid_reading(monkeypatch, folder):
    usual = Path.open

    def refuse(self, *arguments, **options):
        if self.name == path_of(folder).name:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return usual(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)


@FILES.refused("A file that may not be read", disturb=forbid_reading)
def unreadable(folder):
    days(folder)


def forbid_listing(monkeypatch, folder):
    usual = os.listdir

    def refuse(path="."):
        if Path(path).name == "raw":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return usual(path)

    monkeypatch.setattr(os, "listdir", refuse)


RAW = "data prepare carbontracker --input raw --output store.zarr --grid source"


@FILES.refused("A folder that may not be listed", command=RAW, disturb=forbid_listing)
def unreadable_folder(folder):
    (folder / "raw").mkdir()
    days(folder / "raw")


@FILES.refused("A folder without any NetCDF file", command=RAW)
def folder_of_nothing(folder):
    (folder / "raw").mkdir()
    (folder / "raw/readme.txt").write_text("to be filled")


@FILES.handled("Other files beside those of the product", "left out", same_as_clean, command=RAW)
def folder_with_more(folder):
    (folder / "raw").mkdir()
    days(folder / "raw")
    (folder / "raw/readme.txt").write_text("as downloaded")


@FILES.refused("A pattern that matches nothing")
def no_match(folder):
    pass


def remove_after_planning(monkeypatch, folder):
    import co2net_phys.store_building as building

    usual = building.plan_store

    def plan_and_lose(*arguments, **options):
        plan = usual(*arguments, **options)
        path_of(folder).unlink()
        return plan

    monkeypatch.setattr(building, "plan_store", plan_and_lose)


@FILES.refused("A file that disappears before it is read", disturb=remove_after_planning)
def disappears(folder):
    days(folder)


@FILES.refused(
    "The same, without checksums (`--no-checksums`)",
    more="--no-checksums", disturb=remove_after_planning,
)  # fmt: skip
def disappears_later(folder):
    days(folder)
