"""Time axes: repeated, unsorted, cut short, contradicted, without units."""

import grid_files
import netCDF4
import numpy as np
from bad_input import Group
from checks import frames, same_as_clean
from inputs import CARBONTRACKER, GRID, UNUSED, days, path_of, with_values, without

TIMES = Group("Times", CARBONTRACKER)
LAST = {"of": ["2010-01-03"]}


def _overlap(folder, spoil=lambda data: data):
    """A fourth file that repeats the last half day of the third."""
    days(folder)

    def change(data):
        return spoil(data.isel(time=slice(4, None)).drop_vars(UNUSED))

    grid_files.carbontracker(
        folder, "2010-01-03", change=change, name="CT2022.molefrac_glb3x2_2010-01-03b.nc", **GRID
    )


@TIMES.handled("Times that two files share, with equal values", "counted once", same_as_clean)
def repeated(folder):
    _overlap(folder)


@TIMES.refused("Times that two files share, with different values")
def contradicting(folder):
    _overlap(folder, with_values("co2", lambda v: v + 1))


@TIMES.handled("Records of a file in no order", "sorted", same_as_clean)
def unsorted(folder):
    days(folder, lambda data: data.isel(time=[3, 0, 1, 7, 2, 4, 6, 5]), **LAST)


@TIMES.handled("A missing day", "a gap: no window of training reaches over it", frames(16))
def missing_day(folder):
    days(folder)
    path_of(folder).unlink()


@TIMES.handled("A missing record", "a gap", frames(23))
def missing_record(folder):
    days(folder, lambda data: data.isel(time=[0, 1, 2, 4, 5, 6, 7]), of=["2010-01-02"])


def _rewritten(folder, units=None, day=1, calendar=None):
    with netCDF4.Dataset(path_of(folder, day), "a") as file:
        if units is None:
            file["time"].delncattr("units")
        else:
            file["time"].units = units
        if calendar:
            file["time"].calendar = calendar


@TIMES.refused("Times without units")
def no_units(folder):
    days(folder, without("time_components", "decimal_time"))
    _rewritten(folder)


@TIMES.refused("Times with units that are no units")
def wrong_units(folder):
    days(folder)
    _rewritten(folder, "hours since yesterday")


@TIMES.refused("A day in another calendar")
def another_calendar(folder):
    days(folder, without("time_components", "decimal_time"))
    _rewritten(folder, "days since 2000-01-01", calendar="noleap")


def _text(form):
    def change(data):
        texts = [form(value) for value in data.time.values]
        return data.assign_coords(time=("time", np.array(texts, dtype=object)))

    return change


def _days_with_text(folder, form):
    days(folder)
    for number, day in enumerate(("2010-01-01", "2010-01-02", "2010-01-03")):
        data = _text(form)(grid_files.carbontracker_dataset(day, **GRID))
        data.to_netcdf(path_of(folder, number))


@TIMES.handled("Times as ISO text (objects)", "read", same_as_clean)
def iso_text(folder):
    _days_with_text(folder, lambda value: f"{np.datetime64(value, 's')}Z")


@TIMES.refused("Times as other text (objects)")
def other_text(folder):
    _days_with_text(folder, lambda value: value.astype("M8[s]").item().strftime("%d.%m.%Y %H:%M"))


@TIMES.refused("A record without time (NaT)")
def no_time(folder):
    days(folder, without("time_components", "decimal_time"))
    with netCDF4.Dataset(path_of(folder), "a") as file:
        file["time"][3] = np.nan


@TIMES.refused("No time axis")
def no_axis(folder):
    days(folder)
    data = grid_files.carbontracker_dataset("2010-01-02", **GRID).drop_vars(
        ["time", "time_components", "decimal_time"]
    )
    path_of(folder).unlink()
    data.to_netcdf(path_of(folder))


@TIMES.refused("An empty time axis")
def no_record(folder):
    days(folder, lambda data: data.isel(time=slice(0)), of=["2010-01-02"])


@TIMES.refused("Two ways of writing the time that contradict each other")
def contradicting_components(folder):
    days(folder, with_values("time_components", lambda v: v + np.array([0, 0, 0, 1, 0, 0])))


@TIMES.refused("Decimal years that contradict the time axis")
def contradicting_years(folder):
    days(folder, with_values("decimal_time", lambda v: v + 0.5))


@TIMES.refused("Daily means beside three-hourly files")
def two_steps(folder):
    days(folder, lambda data: data.isel(time=[0, 4]), **LAST)


@TIMES.refused("One single time")
def one_time(folder):
    days(folder, lambda data: data.isel(time=[0]))
    for number in (1, 2):
        path_of(folder, number).unlink()


@TIMES.refused("Too few times to split")
def two_times(folder):
    days(folder, lambda data: data.isel(time=[0, 1]))
    for number in (1, 2):
        path_of(folder, number).unlink()
