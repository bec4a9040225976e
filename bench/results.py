"""The results: figures, and the measurements that were left out, with the reasons."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from bench import names


@dataclass(frozen=True, slots=True)
class Figure:
    """All rounds of one measurement of one system. low_is_good: for times and sizes."""

    what: str
    system: str
    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def low_is_good(self) -> bool:
        return not self.unit.endswith("/s")


def _place(system: str) -> int:
    """Return the place of a system, or a variant of it, in the tables."""
    return next(place for place, name in enumerate(names.SYSTEMS) if system.startswith(name))


class Results:
    """Figures by measurement, in the order in which they came."""

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, Figure]] = {}
        self.left_out: dict[str, str] = {}

    def add(self, what: str, system: str, unit: str, value: float) -> None:
        """Add one round's value."""
        figures = self._figures.setdefault(what, {})
        figures.setdefault(system, Figure(what, system, unit)).values.append(value)

    def leave_out(self, name: str, why: str) -> None:
        """Note that something was not measured."""
        self.left_out[name] = why

    def find(self, what: str, system: str) -> Figure | None:
        return self._figures.get(what, {}).get(system)

    def groups(self) -> Iterator[tuple[str, list[Figure]]]:
        """Yield each measurement with the figures of all systems."""
        for what, figures in self._figures.items():
            yield what, sorted(figures.values(), key=lambda figure: _place(figure.system))

    def as_json(self) -> dict[str, object]:
        return {
            "figures": [
                {
                    "what": figure.what,
                    "system": figure.system,
                    "unit": figure.unit,
                    "median": figure.median,
                    "min": min(figure.values),
                    "max": max(figure.values),
                    "values": figure.values,
                }
                for _, figures in self.groups()
                for figure in figures
            ],
            "left_out": self.left_out,
        }
