"""The image, built once for all of these tests, and for all workers of pytest-xdist."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from image.workshop import BASE, IMAGE, Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Has the base image and the product's; the last worker to leave clears up."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "containers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        workshop = Workshop(shared / "containers")
        try:
            if not workshop.has(BASE):
                workshop.import_base()
            if not workshop.has(IMAGE):
                workshop.build_product()
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield workshop
        finally:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                workshop.remove()
