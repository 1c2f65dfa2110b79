"""sim as a child process, and its control API as methods."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.s3._child import cpu_list, run_child
from harness.s3._control import CONTROL_PREFIX
from harness.s3._counters import S3Counters
from harness.s3._errors import S3ServerError
from harness.s3._faults import Fault
from harness.s3._network import PROFILES, NetworkModel
from harness.s3._run_sim import ACCESS_KEY, REGION, SECRET_KEY
from harness.s3._servers import client_env, cpu_s_of

__all__ = ["SimProcess", "profile", "start_sim"]

_READY_S = 30.0
_CONTROL_S = 30.0


@dataclass(frozen=True, slots=True)
class SimProcess:
    """A running sim. All methods may be used from any thread."""

    endpoint: str
    bucket: str
    pid: int
    port: int
    env: Mapping[str, str]
    version: str
    kind: str = "sim"

    def counters(self) -> S3Counters:
        """Requests and body bytes since the start or the last reset."""
        return S3Counters(**self._control("GET", "counters"))

    def reset_counters(self) -> S3Counters:
        """Set them to zero; returns what they were."""
        return S3Counters(**self._control("POST", "reset"))

    def cpu_s(self) -> float | None:
        """User and system CPU seconds of the server."""
        return cpu_s_of(self.pid)

    def set_profile(self, name: str) -> None:
        """Imitate the network of that name from the next request on."""
        self.set_network(profile(name))

    def set_network(self, model: NetworkModel) -> None:
        """Imitate any network."""
        self._control("PUT", "profile", asdict(model))

    def network(self) -> NetworkModel:
        """The network being imitated."""
        return NetworkModel(**self._control("GET", "profile"))

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Replace the rules in force; ``[]`` for none."""
        self._control("PUT", "faults", [fault.to_json() for fault in faults])

    def fault_hits(self) -> list[int]:
        """How often each rule has fired."""
        return [int(rule["hits"]) for rule in self._control("GET", "faults")]

    def _control(self, method: str, what: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_CONTROL_S)
        try:
            connection.request(method, CONTROL_PREFIX + what, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise S3ServerError(f"the S3 simulator at {self.endpoint} does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise S3ServerError(f"the S3 simulator refused {method} {what}: {found['error']}")
        return found


def profile(name: str, *, requests_per_s: float | None = None) -> NetworkModel:
    """The network model of that name; raises S3ServerError with the list for one there is not."""
    if name not in PROFILES:
        raise S3ServerError(f"no network profile {name!r}; there are {', '.join(PROFILES)}")
    return replace(PROFILES[name], requests_per_s=requests_per_s)


@contextlib.contextmanager
def start_sim(
    folder: Path,
    *,
    model: NetworkModel,
    bucket: str = "bench",
    cpus: Collection[int] | None = None,
    log: Path | None = None,
    seed: int = 0,
    port: int = 0,
) -> Iterator[SimProcess]:
    """Run sim over ``folder/sim``, which it keeps, with its own log in ``folder/sim.log``."""
    arguments = ["harness.s3.sim", "--ends-with-stdin", "--folder", str(folder / "sim"), "--bucket", bucket]
    arguments += [
        "--model",
        json.dumps(asdict(model)),
        "--seed",
        str(seed),
        "--port",
        str(port),
        *cpu_list(cpus),
    ]
    if log is not None:
        arguments += ["--log", str(log)]
    with run_child(arguments, folder / "sim.log") as child:
        ready = child.first_line(_READY_S)
        endpoint = f"http://127.0.0.1:{ready['port']}"
        yield SimProcess(
            endpoint=endpoint,
            bucket=bucket,
            pid=int(ready["pid"]),
            port=int(ready["port"]),
            env=client_env(endpoint, ACCESS_KEY, SECRET_KEY, REGION),
            version=_version(),
        )


def _version() -> str:
    try:
        return version("pond-pod-bench")
    except PackageNotFoundError:
        return "unknown"
