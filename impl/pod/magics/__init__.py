"""Versions of a notebook's variables, one after each cell: `%load_ext pod` in IPython and Jupyter.

IPython runs cells in an exact dict, where no access can be seen. What a cell may have changed is what its code uses (`_source`),
with what functions use that are reached from there (`pod.tracking.Followed`), and what its names are bound to anew. What
IPython itself holds of the variables, the history of what was shown, is no stranger (`_shell`).

::

    load(shell)         what `%load_ext pod` calls
    unload(shell)       what `%unload_ext pod` calls

`%pod?` tells the commands.
"""

from __future__ import annotations

from pod.magics._extension import load, unload

__all__ = ["load", "unload"]
