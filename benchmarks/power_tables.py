"""Print the tables of docs/power.md, and draw its plot, from the lines of power_and_size.py.

    python benchmarks/power_tables.py RESULTS.jsonl [--plot docs/power.svg]

Run from the project's root.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from power_and_size import EDGES, FAINT, HORIZON, TIMEFRAME, Json, read

from bot_cripto.market.oracle import attainable_auc

EVERY = sorted({0.0, *EDGES, *FAINT})
ALARMS = ("ceiling", "truncation", "null_control", "label_shift")


def exact_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share by Clopper and Pearson (1934)."""
    tail = (1 - level) / 2

    def at_most(k: int, p: float) -> float:
        return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

    def root(above: Callable[[float], bool]) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if above(middle) else (middle, high)
        return low

    lowest = 0.0 if hits == 0 else root(lambda p: 1 - at_most(hits - 1, p) > tail)
    highest = 1.0 if hits == n else root(lambda p: at_most(hits, p) < tail)
    return lowest, highest


def share(hits: list[bool]) -> str:
    """Return how many of the markets, in per cent, with its interval."""
    low, high = (100 * end for end in exact_interval(sum(hits), len(hits)))
    percent = 100 * sum(hits) / len(hits)
    return f"{sum(hits)} of {len(hits)}: {percent:.1f} % ({low:.1f} to {high:.1f})"


def mean(values: list[float]) -> str:
    """Return the mean and its standard error."""
    error = np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{np.mean(values):+.2f} ± {error:.2f}"


def pooled(groups: list[list[float]]) -> str:
    """Return the mean over all groups and its standard error, groups being independent."""
    sums, counts = np.array([sum(g) for g in groups]), np.array([len(g) for g in groups])
    if not counts.any():
        return "none"
    middle = sums.sum() / counts.sum()
    spread = np.sqrt(np.sum((sums - counts * middle) ** 2) * len(groups) / (len(groups) - 1))
    return f"{middle:+.2f} ± {spread / counts.sum():.2f}"


def tables(rows: list[Json]) -> None:
    """Print the tables of docs/power.md."""
    by_edge = {edge: [r for r in rows if r["edge"] == edge] for edge in EVERY}
    by_edge = {edge: found for edge, found in by_edge.items() if found}
    print("| Edge | Attainable AUC | AUC found | Skill claimed | Interval above 0.5 |")
    print("|---|---|---|---|---|")
    for edge, found in by_edge.items():
        aucs = [row["auc"] for row in found]
        print(
            f"| {edge:g} | {best(edge):.3f} "
            f"| {np.mean(aucs):.4f} ({min(aucs):.3f} to {max(aucs):.3f}) "
            f"| {share([r['skill'] for r in found])} "
            f"| {share([r['low'] > 0.5 for r in found])} |"
        )
    print("\n| Edge | Markets | Any alarm | " + " | ".join(ALARMS) + " |")
    print("|---|---|---|" + "---|" * len(ALARMS))
    for edge, found in by_edge.items():
        counts = [sum(row["alarms"][name] is False for row in found) for name in ALARMS]
        cells = (len(found), sum(row["suspect"] for row in found), *counts)
        print(f"| {edge:g} | " + " | ".join(map(str, cells)) + " |")
    for policy in ("configured", "eager", "free"):
        print(f"\n{policy}\n")
        print("| Edge | Trades a market | Net of a trade, bp | Net of a market, % ", end="")
        print("| Survives costs | Sure of a profit |")
        print("|---|---|---|---|---|---|")
        for edge, found in by_edge.items():
            there = [r["policies"][policy] for r in found if policy in r.get("policies", ())]
            if not there:
                continue
            nets = [row["nets"] for row in there]
            print(
                f"| {edge:g} | {np.mean([len(each) for each in nets]):.0f} | {pooled(nets)} "
                f"| {mean([100 * row['net_return'] for row in there])} "
                f"| {share([row['survives_costs'] for row in there])} "
                f"| {share([row['sure'] for row in there])} |"
            )
    leans = [row["lean_bps"] for row in by_edge[0.0]]
    print(f"\nWithout an edge a lean earns {mean(leans)} bp over the horizon, without costs")
    traded = [row["seconds"] for row in rows if "policies" in row]
    others = [row["seconds"] for row in rows if "policies" not in row]
    for name, seconds in (("traded", traded), ("not traded", others)):
        if seconds:
            print(f"\n{len(seconds)} markets, {name}: {sum(seconds):.0f} CPU s")


def best(edge: float) -> float:
    """Return the attainable AUC; without an edge it is 0.5 by symmetry, not by chance."""
    return attainable_auc(edge, HORIZON, TIMEFRAME) if edge else 0.5


def plot(rows: list[Json], path: Path) -> None:
    """Draw the share of markets on which skill is shown, over the edge, and every AUC."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "power", "svg.fonttype": "none", "font.size": 9}
    from matplotlib import pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, figsize=(6, 6), sharex=True, layout="constrained")
    edges = sorted({row["edge"] for row in rows})
    for name, style, shown in (
        ("skill claimed", "o-", lambda row: row["skill"]),
        ("profit of the eager policy claimed", "^:", _profit),
    ):
        points = []
        for edge in edges:
            found = [shown(row) for row in rows if row["edge"] == edge]
            known = [one for one in found if one is not None]
            low, high = exact_interval(sum(known), len(known))
            points.append((edge, sum(known) / len(known), low, high))
        at, rate, low, high = np.array(points).T
        above.errorbar(at, rate, (rate - low, high - rate), fmt=style, label=name, capsize=3)
    above.axhline(0.05, color="grey", linewidth=0.8, linestyle=":")
    above.set(ylabel="share of markets (95 % interval)", ylim=(-0.03, 1.03))
    above.legend(frameon=False)
    below.plot(edges, [best(edge) for edge in edges], "-", color="grey", label="attainable")
    found = [[row["auc"] for row in rows if row["edge"] == edge] for edge in edges]
    middle = np.array([np.mean(each) for each in found])
    ends = np.array([np.quantile(each, (0.05, 0.95)) for each in found]).T
    reach = np.abs(ends - middle)
    below.errorbar(edges, middle, reach, fmt="o", capsize=3, label="out of sample, 9 in 10 markets")
    below.set(xlabel="edge of the made-up market", ylabel="AUC")
    below.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def _profit(row: Json) -> bool | None:
    return row["policies"]["eager"]["survives_costs"] if "policies" in row else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    rows = read(given.results)
    tables(rows)
    if given.plot:
        plot(rows, given.plot)


if __name__ == "__main__":
    main()
