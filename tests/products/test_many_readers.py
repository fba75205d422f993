"""Several threads read files at once: the NetCDF library, which allows one, must survive it."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import grid_files
from co2net_phys.products import carbontracker

folder = Path(sys.argv[2])
days = [f"2010-01-{day:02d}" for day in range(1, 9)]
data = carbontracker.read(
    [grid_files.carbontracker(folder, day, levels=2, nlat=6, nlon=8) for day in days]
)
first = data.compute(scheduler="sync")
for _ in range(3):
    assert first.identical(data.compute(scheduler="threads", num_workers=8))
"""


def test_eight_threads_read_eight_files(tmp_path):
    """In a process of its own: the library would end the one of the tests (SIGSEGV)."""
    words = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
