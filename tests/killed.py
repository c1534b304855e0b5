"""`hyperinr` with a checkpoint after every step, for tests that kill it: `python tests/killed.py train ...`."""

from hyperinr.plugin.cli import main
from hyperinr_core.training import trainer

trainer.CHECKPOINT_SECONDS = 0.0

if __name__ == "__main__":
    main()
