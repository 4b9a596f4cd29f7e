"""The verdict on a backtest, in three sentences that flatter nobody."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot_cripto.backtest.verdict_words import WORDS

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Evidence:
    """What a backtest found; None wherever there is no value.

    Attributes
    ----------
    auc : float or None
        Of the forecasts out of sample.
    auc_interval : (float, float) or None
        Its 95 % interval.
    net_return : float
        Total return after all costs, decimal.
    random_p : float or None
        Share of random traders that were at least as good; None where nobody traded.
    deflated_sharpe : float or None
        Probability that the Sharpe ratio is more than luck among the trials.
    trials : int
        Configurations that were tried.
    sharpe : float or None
        Annualised.
    sharpe_interval : (float, float) or None
        Its 95 % interval.
    days : int
        Length of the track record.
    minimum_days : float or None
        Length that it takes to show a Sharpe ratio above 0 at 5 %; None: no length would.
    suspect : bool
        Whether a leak alarm went off: then nothing counts as shown.
    """

    auc: float | None
    auc_interval: tuple[float, float] | None
    net_return: float
    random_p: float | None
    deflated_sharpe: float | None
    trials: int
    sharpe: float | None
    sharpe_interval: tuple[float, float] | None
    days: int
    minimum_days: float | None
    suspect: bool = False


@dataclass(frozen=True)
class Verdict:
    """Three answers, each False unless shown at 5 %, and their sentences.

    Attributes
    ----------
    skill : bool
        The interval of the AUC lies above 0.5.
    survives_costs : bool
        There is a net profit, fewer than 5 % of random traders did as well, and the deflated
        Sharpe ratio is at least 0.95.
    sure : bool
        The record is at least as long as it takes, and the interval of the Sharpe ratio lies
        above 0.
    sentences : dict of str to (str, str, str)
        By language, ``en`` and ``es``; in the order of the answers.
    """

    skill: bool
    survives_costs: bool
    sure: bool
    sentences: dict[str, tuple[str, str, str]]


def verdict(evidence: Evidence) -> Verdict:
    """Return the verdict on a backtest; what has no value, or is NaN, is not shown."""
    interval, sharpe = evidence.auc_interval, evidence.sharpe_interval
    skill = evidence.auc is not None and interval is not None and interval[0] > 0.5
    shortcomings = _shortcomings(evidence)
    long_enough = evidence.minimum_days is not None and evidence.days >= evidence.minimum_days
    positive = evidence.sharpe is not None and sharpe is not None and sharpe[0] > 0.0
    sure = long_enough and positive
    believed = not evidence.suspect
    sentences = {
        language: (
            _skill(evidence, language),
            _costs(evidence, shortcomings, language),
            _sure(evidence, sure, language),
        )
        for language in WORDS
    }
    return Verdict(skill and believed, not shortcomings and believed, sure and believed, sentences)


def _shortcomings(evidence: Evidence) -> list[str]:
    """Return the names of the reasons why profit after costs is not shown."""
    found = []
    if not evidence.net_return > 0:
        found.append("loss")
    if evidence.random_p is None or not evidence.random_p <= SIGNIFICANCE:
        found.append("no_random" if evidence.random_p is None else "random")
    deflated = evidence.deflated_sharpe
    if deflated is None or not deflated >= 1 - SIGNIFICANCE:
        found.append("no_deflated" if deflated is None else "deflated")
    return found


def _skill(evidence: Evidence, language: str) -> str:
    words, interval = WORDS[language], evidence.auc_interval
    if evidence.auc is None or interval is None:
        return words["skill_unknown"]
    if interval[0] > 0.5:
        name = "skill_suspect" if evidence.suspect else "skill_yes"
    else:
        name = "skill_no" if interval[1] < 0.5 else "skill_not_shown"
    values = (evidence.auc, *interval)
    auc, low, high = (_number(value, language, 4) for value in values)
    return words[name].format(auc=auc, low=low, high=high)


def _costs(evidence: Evidence, shortcomings: list[str], language: str) -> str:
    words = WORDS[language]
    values = {
        "net": _number(100 * evidence.net_return, language, 2),
        "trials": str(evidence.trials),
        "p": _number(100 * _or_nan(evidence.random_p), language, 2),
        "deflated": _number(_or_nan(evidence.deflated_sharpe), language, 3),
    }
    if "loss" in shortcomings:
        nothing = "costs_idle" if evidence.random_p is None else "costs_nothing"
        return words["costs_no" if evidence.net_return < 0 else nothing].format(**values)
    if not shortcomings:
        return words["costs_suspect" if evidence.suspect else "costs_yes"].format(**values)
    reasons = words["and"].join(words[name].format(**values) for name in shortcomings)
    return words["costs_not_shown"].format(reasons=reasons, **values)


def _sure(evidence: Evidence, sure: bool, language: str) -> str:
    words, interval = WORDS[language], evidence.sharpe_interval
    if evidence.sharpe is None or interval is None:
        return words["sure_unknown"].format(days=evidence.days)
    sharpe, low, high = (_number(v, language, 2) for v in (evidence.sharpe, *interval))
    minimum = evidence.minimum_days
    needed = words["no_length"]
    if minimum is not None and math.isfinite(minimum):
        needed = words["needed"].format(minimum=math.ceil(minimum))
    if sure:
        name = "sure_suspect" if evidence.suspect else "sure_yes"
    else:
        name = "sure_of_loss" if interval[1] < 0 else "sure_no"
    text = words[name]
    return text.format(days=evidence.days, needed=needed, sharpe=sharpe, low=low, high=high)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _number(value: float, language: str, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.replace(".", ",") if language == "es" else text
