"""The build hook: compile pod's kernel if there is a compiler; without one the package is as good, and slower."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelBuildHook(BuildHookInterface):  # type: ignore[type-arg, misc]
    """Compiles the kernel in place and puts it into the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before the wheel is put together."""
        folder = Path(self.root) / "impl/pod/kernel"
        tools = runpy.run_path(str(folder / "_build.py"))
        failed = tools["build"](folder)
        if failed is not None:
            self.app.display_warning(f"pod's kernel was not compiled, its Python code runs instead: {failed}")
            return
        binary = tools["binary_path"](folder)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append(str(binary.relative_to(self.root)))
