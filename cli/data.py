"""`co2phys data`: from the files people have to a training store."""

from __future__ import annotations

import typer

from co2net_phys.cli import (
    data_fetch,
    data_fuse,
    data_inspect,
    data_periods,
    data_prepare,
    data_prepare_stations,
)

app = typer.Typer(help="Fetch data of others and make training stores of them.")
app.command("inspect")(data_inspect.command)
app.command("fuse")(data_fuse.command)
app.command("periods")(data_periods.command)
data_prepare.app.command("stations")(data_prepare_stations.command)
app.add_typer(data_prepare.app, name="prepare")
app.add_typer(data_fetch.app, name="fetch")
