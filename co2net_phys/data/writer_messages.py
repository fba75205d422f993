"""What a failed or stopped run says of its output."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from co2net_phys.data.atomic import CannotWriteError
from co2net_phys.data.writer_resumable import ResumableWriter
from co2net_phys.errors import Co2physError, DataError, NumericalError

LOG = logging.getLogger(__name__)


@contextmanager
def saying_what_is_kept(writer: ResumableWriter) -> Iterator[None]:
    """Add to a failure what stays on disk and how to go on."""
    try:
        yield
    except NumericalError as error:  # would come again at the same place
        raise NumericalError(f"{error}{writer.kept and f'; {writer.kept}'}") from error
    except CannotWriteError as error:
        if not writer.kept:
            raise
        raise DataError(
            f"{error.problem}: {error.mending} first; {writer.kept}, continue with --resume"
        ) from error
    except Co2physError as error:
        if not writer.kept:
            raise
        raise type(error)(f"{error}; {writer.kept}, continue with --resume") from error
    except BaseException:
        if writer.kept:
            LOG.warning("%s; continue with --resume", writer.kept)
        raise
