"""The harness's errors, drawn once.

HarnessError            code "harness", exit 1   something failed; the message says what, on what, what to do
+-- UsageError          code "usage", exit 2     the request cannot be meant
|   +-- SuiteError      code "suite"             a suite file is wrong; names file, line and key
|   +-- GrammarError    code "grammar"           a list of systems or workloads is wrong; names the position
+-- TrialFailed         code "trial"             one trial gave no figure
|   +-- TrialTimeout    code "timeout"
+-- NotInstalled        code "not-installed"     a system is missing; the message says how to get it
+-- ResultInvalid       code "result"            a result does not fit its schema
"""

from __future__ import annotations

from typing import ClassVar


class HarnessError(Exception):
    """Root of the harness's errors."""

    code: ClassVar[str] = "harness"
    exit_code: ClassVar[int] = 1


class UsageError(HarnessError):
    """The request cannot be meant: an unknown name, a value out of range."""

    code = "usage"
    exit_code = 2


class SuiteError(UsageError):
    """A suite file is wrong."""

    code = "suite"


class GrammarError(UsageError):
    """A list of systems or workloads is wrong."""

    code = "grammar"


class TrialFailed(HarnessError):
    """One trial gave no figure."""

    code = "trial"


class TrialTimeout(TrialFailed):
    """One trial ran into its time limit."""

    code = "timeout"


class NotInstalled(HarnessError):
    """A system under test is not on this machine."""

    code = "not-installed"


class ResultInvalid(HarnessError):
    """A result file does not fit its schema."""

    code = "result"
