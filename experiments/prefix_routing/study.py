"""The routing study: which router class a strategy is, and what defines a case of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from experiments.model_free.sources import sources_sha256
from harness.record.routing_tables import (
    EXACT,
    POWER_OF_TWO,
    PREFIX,
    RANDOM,
    ROUND_ROBIN,
    SESSION,
    STUDY,
)
from harness.spec.routing import Setting

_MODULE = "experiments.prefix_routing.worker_routers"
ROUTERS = {
    POWER_OF_TWO: f"{_MODULE}.PowerOfTwo",
    PREFIX: f"{_MODULE}.PrefixAffinity",
    EXACT: f"{_MODULE}.Exact",
    SESSION: f"{_MODULE}.Session",
    ROUND_ROBIN: f"{_MODULE}.RoundRobin",
    RANDOM: f"{_MODULE}.Random",
}
_SERVING = tuple(
    f"prefix_routing/worker_{name}.py"
    for name in ("cache_index", "decision_log", "deploy", "exact", "prompt", "routers", "server", "stats")
)


@dataclass(frozen=True)
class Conditions:
    """What all strategies have in common."""

    engine: dict[str, Any]  # pin, version, lock_sha256
    environment: dict[str, str]  # of its processes
    model: dict[str, Any]  # name, twin, files_sha256
    load_sha256: str  # of the first repeat; what decides it decides the others'
    joined: bool  # a Ray that ran before


@dataclass(frozen=True)
class Case:
    """One strategy on one deployment under one load; its repeats differ in the load's seed."""

    strategy: str
    parameters: Mapping[str, Any]  # of the router
    setting: Setting

    @property
    def name(self) -> str:
        """Readable part of the case's name."""
        return f"{self.strategy}_{self.setting.replicas}x{self.setting.model}"

    @property
    def router(self) -> dict[str, Any]:
        """The class, as ``module.Class``, and its parameters."""
        return {"class": ROUTERS[self.strategy], "parameters": dict(self.parameters)}

    def definition(self, on: "Conditions") -> dict[str, Any]:
        """Everything that decides what a run gives, but its repeat."""
        setting = self.setting.model_dump(exclude={"repeats", "model"})
        rate = setting["load"]["request_rate"]
        setting["load"]["request_rate"] = str(rate)  # JSON has no infinity
        return {
            "study": STUDY,
            "router": self.router,
            "setting": setting,
            **asdict(on),
            "workers_sha256": sources_sha256(_SERVING),
        }
