"""The fusion network as one method among others: trained anew, by the engine, for every fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from co2net_phys.checkpoint import kept, load
from co2net_phys.data.atomic import remove
from co2net_phys.errors import DataError
from co2net_phys.run_folder import has_state
from co2net_phys.same_run import require_same_options
from co2net_phys.satellite.folds import Blocks
from co2net_phys.satellite.models import FusionRunOptions
from co2net_phys.satellite.network import ResNetLSTM
from co2net_phys.satellite.points import Samples
from co2net_phys.satellite.task import FusionTask
from co2net_phys.trainer import Callbacks, begin


@dataclass(frozen=True)
class NetworkTraining:
    """Trains networks, each in a folder named after the samples that it learns from.

    What a finished run leaves is its best checkpoint alone; that of an unfinished one can go on.

    Attributes
    ----------
    options
        Of every run; what it keeps back together is told by each call.
    folder
        Where the runs are.
    command
        The command line, for the checkpoints.
    should_stop
        Asked between steps; a run that is stopped raises `trainer.Interrupted`.
    continued
        Take and go on with the runs that are there.
    """

    options: FusionRunOptions
    folder: Path
    command: Sequence[str]
    should_stop: Callable[[], bool] = lambda: False
    continued: bool = False

    def __call__(self, training: Samples, validation: Samples, blocks: Blocks) -> ResNetLSTM:
        """Return the network with the lowest error at the validation samples, which are blocks.

        Raises
        ------
        UsageError
            A run that is there had other options.
        DataError
            The folder cannot be written, or a checkpoint in it cannot be read.
        Interrupted
            It was stopped.
        """
        options = self.options.model_copy(update={"hold_out_blocks": blocks})
        name = f"{training.digest}-{validation.digest}"
        folder = self.folder / name
        best, is_unfinished = folder / "best", has_state(folder)
        if not (self.continued and best.exists() and not is_unfinished):
            task = FusionTask(options, training, validation, description={"samples": name})
            goes_on = self.continued and is_unfinished
            callbacks = Callbacks(should_stop=self.should_stop)
            begin(task, folder, [], list(self.command), callbacks, goes_on).run()
            for state in kept(folder / "last"):
                remove(state)
        model, metadata = load(best)
        if not isinstance(model, ResNetLSTM):
            raise DataError(f"{best}: holds no fusion network; begin again with --overwrite")
        require_same_options(folder, metadata, options)
        return model
