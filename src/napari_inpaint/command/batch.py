"""Fill many image files, here or in several processes."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import threading
import time
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING

from napari_inpaint.command.files import Outcome, fill_file
from napari_inpaint.inference.inpainter import Inpainter
from napari_inpaint.inference.runtime.loading import choose_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from napari_inpaint.command.holes import Wanted
    from napari_inpaint.command.tasks import Task
    from napari_inpaint.inference.options import FillOptions

AHEAD = 2
"""Files for each process of which one waits while another is filled; outcomes of all at once would fill the memory."""


def fill_files(
    tasks: Sequence[Task], wanted: Wanted, options: FillOptions, model: str | None, device: str, jobs: int
) -> Iterator[Outcome]:
    """Fill files one after another, or ``jobs`` at once; one that fails does not stop the others.

    Raises
    ------
    ValueError
        When there is no such model.
    """
    if jobs == 1 or len(tasks) < 2:
        inpainter = Inpainter(model, device)
        inpainter.warm_up()  # while the first image is read
        for task in tasks:
            yield fill_file(task, wanted, options, inpainter)
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    inpainter = Inpainter(choose_model(model, device, threads), device, threads)
    left = dict.fromkeys(tasks)
    while left:
        for outcome in _fill_in_processes([*left], wanted, options, inpainter, jobs):
            del left[outcome.task]
            yield outcome
        jobs = 1  # after a process died, one after another, so that it is known whose file killed it


def _fill_in_processes(
    tasks: Sequence[Task], wanted: Wanted, options: FillOptions, inpainter: Inpainter, jobs: int
) -> Iterator[Outcome]:
    """Fill files in processes; when one dies, end after what the others finished, or name its file if it ran alone."""
    parent = os.getpid()
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _end_with, (parent,)) as pool:
        coming = iter(tasks)
        waiting: dict[Future[Outcome], Task] = {}
        try:
            while True:
                with contextlib.suppress(BrokenExecutor):  # those that wait say so
                    for task in itertools.islice(coming, (AHEAD * jobs if jobs > 1 else 1) - len(waiting)):
                        waiting[pool.submit(fill_file, task, wanted, options, inpainter)] = task
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    task = waiting.pop(future)
                    try:
                        yield future.result()
                    except BrokenExecutor:
                        if jobs == 1:
                            error = f"{task.input}: its process was killed, perhaps for want of memory"
                            yield Outcome(task, error=error)
                            return
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with(parent: int) -> None:
    """End this process when its parent ends, however that ends."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
