"""The workloads by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from harness.errors import UsageError
from harness.podworkloads import _rmlist, _rmtree
from harness.podworkloads._notebook import cells_of
from harness.podworkloads._single_cell import SINGLE_CELL
from harness.podworkloads._spec import published
from harness.podworkloads._tweets import TWEETS
from harness.podworkloads._workload import Workload, scaled

__all__ = ["WORKLOADS", "from_notebook"]

_NOTEBOOKS: Final = Path(__file__).resolve().parent.parent.parent / "notebooks" / "pod"


def _ours(name: str) -> Callable[[Mapping[str, int]], list[str]]:
    def source(_: Mapping[str, int]) -> list[str]:
        path = _NOTEBOOKS / f"{name}.ipynb"
        if not path.exists():
            raise UsageError(f"notebooks/pod/{path.name} is not here: run from a clone of the repository")
        return cells_of(path)

    return source


_ALL: Final = (
    Workload(
        "skltweet",
        "tweets: cleaning, features, classifiers of scikit-learn",
        _ours("skltweet"),
        default_scale=0.03,
        published=published("skltweet"),
        maker=TWEETS,
        bytes_needed=scaled(published("skltweet").snapshot_bytes, 2_000_000_000),
    ),
    Workload(
        "msciedaw",
        "single-cell data: metadata, sparse matrices from HDF5, statistics, figures",
        _ours("msciedaw"),
        default_scale=0.02,
        published=published("msciedaw"),
        maker=SINGLE_CELL,
        bytes_needed=scaled(published("msciedaw").snapshot_bytes, 16_500_000_000),
    ),
    Workload(
        "nbupdate",
        "a frame of five columns, changed by every cell",
        _ours("nbupdate"),
        default_scale=0.1,
        published=published("nbupdate"),
        bytes_needed=scaled(published("nbupdate").snapshot_bytes, 500_000_000),
    ),
    Workload(
        "rmtree",
        "lists of random bytes, a share of them changed in place by each cell",
        _rmtree.cells,
        parameters=_rmtree.DEFAULTS,
        most=_rmtree.MOST,
        bytes_needed=_rmtree.bytes_needed,
        excluded=_rmtree.HELPERS,
        partial=False,
    ),
    Workload(
        "rmlist",
        "a list of large bytes; functions that call each other, a closure, a cycle, lists and bytes that are shared",
        _rmlist.cells,
        default_scale=0.1,
        bytes_needed=scaled(_rmlist.SNAPSHOT_BYTES, 3 * _rmlist.SNAPSHOT_BYTES),
        excluded=_rmlist.HELPERS,
        partial=False,
    ),
)
WORKLOADS: Final[Mapping[str, Workload]] = MappingProxyType({workload.name: workload for workload in _ALL})


def from_notebook(path: Path, data: Path | None = None) -> Workload:
    """Return anyone's notebook as a workload, named ``nb-NAME``: it is none of ours, whatever its file is called.

    Parameters
    ----------
    path
        The notebook. Its code cells are run by plain `exec`.
    data
        What its cells find in ``NBDATA``; the notebook's own folder when left out. They run in that folder, too.

    Raises
    ------
    UsageError
        When it is no notebook, or a cell needs IPython; the message names the cell.
    """
    cells = cells_of(path)
    if not cells:
        raise UsageError(f"{path} has no code cell")

    def source(_: Mapping[str, int]) -> list[str]:
        return list(cells)

    folder = path.parent.resolve()
    return Workload(
        f"nb-{path.stem}",
        f"the notebook {path.name}",
        source,
        data=folder if data is None else data.resolve(),
        directory=folder,
    )
