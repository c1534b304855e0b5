"""Training in several processes, on one machine or many, as `torchrun` starts them.

Every process draws the same batch, evaluates its share of the points, and the gradients are summed over all of them before
each step: what torch's DistributedDataParallel does for modules, done here by hand because gradients and optimiser are our
own. All processes take part in the same encoder tables, and only the gradients of those are exchanged. With the same
batch the result is that of one process, up to the order of summation.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.samples import Batch

#: How long the others wait while the first process chooses and fits teachers.
PATIENCE = timedelta(days=7)

Result = TypeVar("Result")


class World:
    """The processes that train one model together; by default this one alone.

    Attributes
    ----------
    rank, size : this process's number, and how many there are; number 0 writes the files and speaks.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """This process's points of a batch, as equal in number as can be.

        Raises
        ------
        ParameterError when there are fewer points than processes.
        """
        n_points = batch.points.shape[1]
        if n_points < self.size:
            raise ParameterError(
                f"batch_points is {n_points} for {self.size} processes; expected at least one point each"
            )
        if self.size == 1:
            return batch
        mine = slice(self.rank, None, self.size)
        points, targets = (np.ascontiguousarray(part[:, mine]) for part in (batch.points, batch.targets))
        return replace(batch, points=points, targets=targets)

    def mean(self, tensors: list[torch.Tensor], n_mine: int, n_all: int) -> None:
        """Replace means over this process's n_mine points by those over all n_all."""
        if self.size == 1:
            return
        pending = []
        for tensor in tensors:
            tensor.mul_(n_mine / n_all)
            pending.append(dist.all_reduce(tensor, async_op=True))
        for work in pending:
            work.wait()

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in one of the processes."""
        if self.size == 1:
            return flag
        count = torch.tensor([float(flag)], device=device)
        dist.all_reduce(count)
        return bool(count.item())

    def same(self, tensors: list[torch.Tensor]) -> None:
        """Give all processes the first one's tensors."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def told(self, thing: Any) -> Any:
        """What the first process says, in every process."""
        if self.size == 1:
            return thing
        box = [thing]
        dist.broadcast_object_list(box, 0)
        return box[0]

    def in_turn(self, work: Callable[[], Result]) -> Result:
        """What the work gives. The first process does it, and then the others, who find what it has kept on disk."""
        if self.leads:
            result = work()
            self.told(None)
            return result
        self.told(None)
        return work()


def join(device: str) -> World:
    """The world that `torchrun` describes in the environment; this process alone without it.

    Parameters
    ----------
    device : "cpu" exchanges with gloo; "cuda" with nccl, on Windows with gloo, each process of a machine on a GPU of its own.
    """
    size = n_started()
    if size == 1:
        return World()
    if device == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise ParameterError(
                f"process {local} of this machine has no GPU of its own, there are {torch.cuda.device_count()}; "
                "start torchrun with as many processes, or train with --device cpu"
            )
        torch.cuda.set_device(local)
    else:  # torchrun's processes share the machine's cores
        n_local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        os.environ.setdefault("HYPERINR_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // n_local)))
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device == "cuda" and dist.is_nccl_available() else "gloo", timeout=PATIENCE)
    return World(dist.get_rank(), size)


def n_started() -> int:
    """How many processes `torchrun` started; 1 without it."""
    launched = dist.is_available() and dist.is_torchelastic_launched()
    return int(os.environ.get("WORLD_SIZE", "1")) if launched else 1


def leave() -> None:
    """End the exchange, when all is written."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
