"""One number of threads for torch and numba."""

import torch
from numba import config, set_num_threads


def share_threads() -> int:
    """Let numba's kernels use as many threads as torch; to be called before each of them.

    Users then limit both by ``torch.set_num_threads`` or OMP_NUM_THREADS.

    Returns:
        how many that is; ``NUMBA_NUM_THREADS`` at most.
    """
    threads = torch.get_num_threads()
    count = min(threads, int(config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    set_num_threads(count)
    # Where the two share one OpenMP, numba's first start gives torch all threads.
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    return count
