"""Run the command line in a process of its own that kills or stops itself at a frame.

python prepared_runs.py FRAME SIGNAL WORDS…
"""

import os
import signal
import sys

from co2net_phys.cli import console, main

frame, what = int(sys.argv[1]), signal.Signals[sys.argv[2]]
plain = console.Progress.update


def update(self, done, note=""):
    if self.label == "prepare" and done == frame:
        os.kill(os.getpid(), what)
    plain(self, done, note)


console.Progress.update = update
sys.argv = ["co2phys", *sys.argv[3:]]
main.main()
