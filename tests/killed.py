"""`hyperinr` for tests that kill it, with a checkpoint after every step; it reads commands as lines of JSON.

Each line is [words, file for what is said]. It runs in a fork, whose number is answered first and whose exit status last:
so Python and PyTorch start once, and what is killed is the work.
"""

import json
import os
import sys

import torch  # noqa: F401

from hyperinr.plugin.cli import main
from hyperinr_core.training import watch
from hyperinr_core.training.lights import task as _lights  # noqa: F401
from hyperinr_core.training.views import task as _views  # noqa: F401
from hyperinr_core.training.volumes import task as _volumes  # noqa: F401

watch.CHECKPOINT_SECONDS = 0.0


def work(words: list[str], output: str) -> None:
    """Run a command and end."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["hyperinr", *words]
    main()
    sys.exit()


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(*json.loads(line))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
