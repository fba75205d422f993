"""`co2phys bench`: how accurate and how fast the solver and the network are, here and now."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from co2net_phys.cli import bench_prepare, console
from co2net_phys.cli.bench_loader import loader
from co2net_phys.errors import UsageError

app = typer.Typer(help="Accuracy and speed of solver and network, measured on this machine.")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable result.")]


@app.command()
def transport(
    case: Annotated[
        Literal[
            "gaussian-hills",
            "cosine-bells",
            "slotted-cylinders",
            "correlated-bells",
            "williamson-bell",
        ],
        typer.Option(help="Initial tracer."),
    ] = "gaussian-hills",
    flow: Annotated[
        Literal["nondivergent", "divergent", "solid-body"], typer.Option(help="Wind.")
    ] = "nondivergent",
    tilt: Annotated[
        float, typer.Option(help="Angle of the axis of solid-body rotation, degrees.")
    ] = 0.0,
    resolution: Annotated[
        list[float] | None,
        typer.Option(help="Grid spacing at the equator, degrees; default 1.5. Several: the order."),
    ] = None,
    scheme: Annotated[
        Literal["spectral", "low-storage", "semi-lagrangian", "monotone"],
        typer.Option(help="Transport scheme."),
    ] = "spectral",
    form: Annotated[
        Literal["flux", "advective"],
        typer.Option(help="Carry densities, or mixing ratios (differs in divergent flow)."),
    ] = "flux",
    steps: Annotated[
        int | None, typer.Option(help="Steps in 12 days, even; default by scheme.")
    ] = None,
    truncation: Annotated[
        int | None, typer.Option(help="Of spectral schemes; default free of aliasing.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a case of the standard transport test suite and judge it at the end and at mid-time.

    Lauritzen et al. (2012), Nair and Lauritzen (2010), Williamson et al. (1992). The errors with
    `_mid` are those at half of the period, against exact trajectories: the return error alone
    flatters a reversible scheme.
    """
    spacings = resolution or [1.5]
    if len(set(spacings)) < len(spacings):
        raise UsageError("--resolution is given twice with the same value")
    if len(spacings) > 1 and not (steps is None and truncation is None):
        raise UsageError("--steps and --truncation are for one --resolution; leave them out")
    from co2net_phys.validation.transport_suite import convergence, run_transport

    runs = []
    with console.progress("transport", 100 * len(spacings)) as bar:
        for n, spacing in enumerate(spacings):

            def report(done: int, total: int, first: int = 100 * n) -> None:
                bar.update(first + 100 * done // total)

            runs.append(
                run_transport(
                    case, flow, scheme, spacing, tilt_degrees=tilt, form=form, steps=steps,
                    truncation=truncation, progress=report,
                )
            )  # fmt: skip
    text = "\n\n".join(_transport_table(run.summary) for run in runs)
    if len(runs) == 1:
        console.give(runs[0].summary, as_json, text)
        return
    rates = convergence(runs)
    lines = {name.replace("_", " "): _number(value) for name, value in rates.items()}
    result = {"runs": [run.summary for run in runs], **rates}
    console.give(result, as_json, f"{text}\n\n{console.rows(lines)}")


@app.command()
def solver(
    truncation: Annotated[
        list[int] | None, typer.Option(min=1, help="Size, repeatable; default 85.")
    ] = None,
    fields: Annotated[
        list[int] | None, typer.Option(min=1, help="Tracers at once, repeatable; default 1.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of every library.")] = 1,
    dtype: Annotated[Literal["float64", "float32"], typer.Option(help="Arithmetic.")] = "float64",
    library: Annotated[
        list[str] | None, typer.Option(help="Measure only these, repeatable; default all.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Samples of each library.")] = 15,
    as_json: AsJson = False,
) -> None:
    """Time one Runge–Kutta step of advection and diffusion here and with other libraries.

    torch-harmonics comes with co2phys; SHTns, ducc0 and dinosaur are measured where they are
    installed. All are measured in turn and must give the same field.
    """
    from co2net_phys.validation.solver_speed import LIBRARIES, measure_speed

    unknown = set(library or []) - LIBRARIES.keys()
    if unknown:
        raise UsageError(f"--library {min(unknown)!r}: choose from {', '.join(LIBRARIES)}")
    sizes = [(t, f) for t in truncation or [85] for f in fields or [1]]
    measured = []
    with console.progress("solver", len(sizes)) as bar:
        for n, (size, count) in enumerate(sizes):
            bar.update(n, f"T{size}, {count} fields")
            measured += measure_speed(
                size, fields=count, dtype=dtype, threads=threads, rounds=rounds,
                libraries=tuple(library or LIBRARIES),
            )  # fmt: skip
        bar.update(len(sizes))
    found = [speed.as_dict() for speed in measured]
    console.give(found, as_json, _speed_table(found))


@app.command()
def accuracy(
    target: Annotated[
        list[float] | None,
        typer.Option(help="Relative l2 error at mid-time, repeatable; default 1e-3 and 1e-6."),
    ] = None,
    wind: Annotated[
        Literal["analytic", "sampled"], typer.Option(help="Known everywhere, or on the grid.")
    ] = "analytic",
    wind_every: Annotated[str, typer.Option(help="Interval of sampled winds.")] = "3h",
    threads: Annotated[int, typer.Option(min=1, help="Threads of every method.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Find how soon each time scheme reaches an accuracy: Gaussian hills, deformational flow."""
    interval = console.duration(wind_every, "--wind-every")
    from co2net_phys.validation.time_to_accuracy import time_to_accuracy

    with console.progress("accuracy", 1) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)

        reached = time_to_accuracy(
            target or (1e-3, 1e-6), wind=wind, wind_interval=interval, threads=threads,
            progress=report,
        )  # fmt: skip
    found = [run.as_dict() for run in reached]
    console.give(found, as_json, _accuracy_table(found))


@app.command()
def train(
    size: Annotated[Literal["XS", "S", "B", "L"], typer.Option(help="Of the network.")] = "S",
    batch: Annotated[int, typer.Option(min=1, help="Windows in a step.")] = 4,
    steps: Annotated[int, typer.Option(min=1, help="Timed steps of each network.")] = 5,
    precision: Annotated[Literal["bf16", "fp32"], typer.Option(help="Arithmetic.")] = "bf16",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    compiled: Annotated[bool, typer.Option("--compile", help="Compile our network first.")] = False,
    reference: Annotated[
        bool, typer.Option(help="Measure the plainly written network too.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Time a training step of CO2-Net and of the same network written plainly, taking turns.

    The plain network has the same weights and outputs, explicit attention matrices and an embedding
    for each expert. The batch is invented, of CarbonTracker's shape; memory is that of each alone.
    """
    from co2net_phys.validation.training_speed import measure_training

    found = measure_training(
        size, batch=batch, steps=steps, precision=precision, device=device, compiled=compiled,
        reference=reference,
    ).as_dict()  # fmt: skip
    console.give(found, as_json, _training_table(found))


def _number(value: Any, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def _transport_table(summary: dict[str, Any]) -> str:
    """Two columns: at the end and at mid-time."""
    size = "" if summary["truncation"] is None else f", T{summary['truncation']}"
    tilt = f" tilted by {summary['tilt']:g}°" if summary["tilt"] else ""
    lines = [
        f"{summary['case']}, {summary['flow']}{tilt}, {summary['scheme']}, {summary['form']} form, "
        f"{summary['resolution']:g}°{size}",
        f"{summary['steps']} steps in {summary['seconds']:.2f} s",
        f"{'':<12}{'end':>12}{'mid-time':>12}",
    ]
    for name in ("l1", "l2", "linf", "min", "max", "min_change", "max_change", "mass_drift"):
        end, middle = summary[name], summary[f"{name}_mid"]
        lines.append(f"{name.replace('_', ' '):<12}{_number(end):>12}{_number(middle):>12}")
    if summary["mixing"] is not None:
        parts = (f"{kind} {_number(value)}" for kind, value in summary["mixing"].items())
        lines.append(f"mixing at mid-time: {', '.join(parts)}")
    if summary["filament"] is not None:
        kept = zip(summary["filament"]["threshold"], summary["filament"]["percent"], strict=True)
        some = (f"{100 * level:.0f} % {share:.0f}" for level, share in list(kept)[::2])
        lines.append(f"area above thresholds kept, %: {', '.join(some)}")
    return "\n".join(lines)


def _speed_table(found: list[dict[str, Any]]) -> str:
    lines = [
        f"{'backend':<17}{'size':>6}{'fields':>7}{'dtype':>9}{'threads':>8}{'ms/step':>10}"
        f"{'ms/pair':>10}{'relative':>9}{'cores':>6}{'MB':>7}  difference"
    ]
    for row in found:
        start = (
            f"{row['backend']:<17}{'T' + str(row['truncation']):>6}{row['fields']:>7}"
            f"{row['dtype']:>9}{row['threads']:>8}"
        )
        if row["ms_per_step"] is None:
            lines.append(f"{start}  {row['error']}")
            continue
        cells = [
            (row["ms_per_step"], 10), (row["ms_transform_pair"], 10), (row["relative"], 9),
            (row["cores"], 6),
        ]  # fmt: skip
        memory = "–" if row["megabytes"] is None else f"{row['megabytes']:.0f}"
        line = start + "".join(f"{_number(value):>{width}}" for value, width in cells)
        lines.append(f"{line}{memory:>7}  {_number(row['error'], 2)}")
    return "\n".join(lines)


def _accuracy_table(found: list[dict[str, Any]]) -> str:
    lines = [
        f"{'method':<17}{'wind':>9}{'target':>9}{'size':>6}{'steps':>7}{'l2 mid':>10}"
        f"{'seconds':>9}{'sooner':>8}"
    ]
    for row in found:
        start = f"{row['method']:<17}{row['wind']:>9}{row['target']:>9.0e}"
        if row["seconds"] is None:
            lines.append(f"{start}  not reached")
            continue
        lines.append(
            f"{start}{'T' + str(row['truncation']):>6}{row['steps']:>7}{row['l2_mid']:>10.1e}"
            f"{row['seconds']:>9.3g}{_number(row['speedup']):>7}×"
        )
    return "\n".join(lines)


def _training_table(found: dict[str, Any]) -> str:
    threads = f", {found['threads']} threads" if found["device"] == "cpu" else ""
    lines = [
        f"CO2-Net {found['size']}, {found['parameters'] / 1e6:.1f} M parameters, "
        f"{found['flops_per_sample'] / 1e9:.0f} GFLOP a sample; batch {found['batch']}, "
        f"{found['precision']}, {found['device']}{threads}",
        f"{'':<12}{'ms/step':>10}{'samples/s':>11}{'peak memory':>13}",
    ]
    for name, prefix in (("this one", ""), ("plain", "reference_")):
        if found[f"{prefix}ms_per_step"] is None:
            continue
        peak = found[f"{prefix}peak_memory_bytes"]
        memory = "–" if peak is None else console.megabytes(peak)
        lines.append(
            f"{name:<12}{_number(found[f'{prefix}ms_per_step'], 4):>10}"
            f"{_number(found[f'{prefix}samples_per_second']):>11}{memory:>13}"
        )
    speed = f"{found['device_flops'] / 1e12:.3g} TFLOP/s ({found['device_flops_from']})"
    lines.append(f"{100 * found['mfu']:.0f} % of {speed}")
    if found["speedup"] is not None:
        lines.append(
            f"{found['speedup']:.2f} times as fast, {_number(found['memory_ratio'])} of the "
            f"memory; outputs differ by {found['difference']:.0e} of the spread"
        )
    return "\n".join(lines)


app.command()(loader)
app.command("prepare")(bench_prepare.command)
