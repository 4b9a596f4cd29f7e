"""The gates that look at the candle, the models and the forecast."""

from __future__ import annotations

from collections.abc import Callable

from bot_cripto.decision.gates import TRADED, Case, Gate, Measured, compared, numbers
from bot_cripto.decision.regime import HIGH_VOL, RANGE, TREND_DOWN, TREND_UP
from bot_cripto.decision.soundness import LONG
from bot_cripto.decision.thresholds import round_trip_cost

_REGIMES = {TREND_UP, TREND_DOWN, RANGE, HIGH_VOL}


def data_fresh(case: Case) -> Measured:
    """Measure how many candles have closed since; after the last closed one there is none."""
    stale = case.context.stale_candles
    return None if stale is not None and stale < 0 else stale, case.policy.max_data_age_candles


def data_fresh_short(case: Case, gate: Gate) -> str:
    """Say that newer candles are needed, or that the candle has not closed."""
    if gate.value is None:
        known = case.context.stale_candles is not None
        return "the candle has not closed" if known else "it is not known which candle closed last"
    return (
        f"the candles are {gate.value:.0f} behind the last closed one, "
        f"{gate.threshold:.0f} are allowed: it would take newer candles"
    )


def data_sound(case: Case) -> Measured:
    """Measure whether the last candle was traded and no quality problem is known."""
    if case.context.last_candle is None:
        return None, 1
    return case.context.last_candle == TRADED and not case.context.quality_problems, 1


def data_sound_short(case: Case, gate: Gate) -> str:
    """Say what is wrong with the candles."""
    if gate.value is None:
        return "the last candle was not looked at"
    found = list(case.context.quality_problems)
    if case.context.last_candle != TRADED:
        found.insert(0, f"the last candle is {case.context.last_candle}")
    return "the candles are not sound: " + ", ".join(found)


def inputs_complete(case: Case) -> Measured:
    """Measure whether every feature has a value."""
    missing = case.context.missing_features
    return None if missing is None else not missing, 1


def inputs_complete_short(case: Case, gate: Gate) -> str:
    """Name the features without a value."""
    missing = case.context.missing_features
    if missing is None:
        return "the features were not computed"
    return f"features have no value at this candle: {_named(missing)}"


def model_valid(case: Case) -> Measured:
    """Measure whether there is a usable forecast."""
    if case.context.model_problems or case.forecast_problems:
        return 0, 1
    return None if case.forecast is None else 1, 1


def model_valid_short(case: Case, gate: Gate) -> str:
    """Say why the forecast may not be used."""
    found = case.context.model_problems + case.forecast_problems
    return "the forecast may not be used: " + ", ".join(found) if found else "there is no forecast"


def model_age(case: Case) -> Measured:
    """Measure the days since the training cutoff; of a cutoff after the candle there are none."""
    age = case.context.model_age_days
    return None if age is not None and age < 0 else age, case.policy.max_model_age_days


def model_age_short(case: Case, gate: Gate) -> str:
    """Say that a retrain is needed."""
    age = case.context.model_age_days
    if gate.value is None:
        if age is not None and age < 0:
            return (
                "the models were trained until after this candle: it would take models whose "
                "training ended before it"
            )
        return "it is not known until when the models were trained"
    value, limit = numbers(gate.value, gate.threshold)
    return (
        f"the oldest model in use was trained until {value} days ago, MAX_MODEL_AGE_DAYS {limit} "
        "are allowed: it would take a retrain"
    )


def in_distribution(case: Case) -> Measured:
    """Measure the share of features outside the range of the training data."""
    limit = case.policy.max_outside_share
    if case.forecast is None:
        return None, limit
    # models that split on no feature have no range to leave
    return len(case.forecast.outside) / max(case.forecast.features, 1), limit


def in_distribution_short(case: Case, gate: Gate) -> str:
    """Name the features outside the range."""
    if case.forecast is None:
        return "there is no forecast to tell which features the models know"
    share = compared(gate, "share", "MAX_OUTSIDE_SHARE")
    return (
        f"{len(case.forecast.outside)} of {case.forecast.features} features lie outside the range "
        f"of the training data ({_named(case.forecast.outside)}): {share}"
    )


def dissimilarity(case: Case) -> Measured:
    """Measure how far the candle lies from the training data; there is no distance below 0."""
    apart = None if case.forecast is None else case.forecast.dissimilarity
    return None if apart is not None and apart < 0 else apart, case.policy.max_dissimilarity


def dissimilarity_short(case: Case, gate: Gate) -> str:
    """Say how unlike the training data the candle is, or that the models cannot tell."""
    if case.forecast is None:
        return "there is no forecast to tell how unlike the training data the candle is"
    if gate.value is None:
        return (
            "the trend model in use does not tell how unlike its training data the candle is: it "
            "would take a retrain"
        )
    return "the candle is unlike the training data: " + compared(
        gate, "dissimilarity", "MAX_DISSIMILARITY"
    )


def regime(case: Case) -> Measured:
    """Measure whether the regime allows entries; a name that is no regime does not."""
    if case.regime is None:
        return None, 1
    blocked = (case.regime.name == RANGE and not case.policy.allow_range) or (
        case.regime.name == HIGH_VOL and not case.policy.allow_high_vol
    )
    return case.regime.name in _REGIMES and not blocked, 1


def regime_short(case: Case, gate: Gate) -> str:
    """Say which regime blocks entries."""
    if case.regime is None:
        return "there is no regime"
    return (
        f"the regime {case.regime.name} blocks entries: it would take a trend, "
        f"or ALLOW_{case.regime.name}"
    )


def probability(case: Case) -> Measured:
    """Measure the calibrated probability of the side's direction."""
    if case.forecast is None:
        return None, case.policy.prob_min
    up = case.forecast.prob_up
    return up if case.side == LONG else 1 - up, case.policy.prob_min


def expected_return(case: Case) -> Measured:
    """Measure the expected return in the direction of the side."""
    gain = None if case.forecast is None else case.sign * case.forecast.expected_return
    return gain, case.policy.min_expected_return


def cost(case: Case) -> Measured:
    """Measure the absolute expected return against the cost of the round trip."""
    move = None if case.forecast is None else abs(case.forecast.expected_return)
    return move, round_trip_cost(case.policy)


def risk(case: Case) -> Measured:
    """Measure the risk score."""
    return None if case.forecast is None else case.forecast.risk_score, case.policy.risk_max


def forecast_short(what: Callable[[Case], str], limit: str) -> Callable[[Case, Gate], str]:
    """Return a sentence over a number of the forecast and its limit."""

    def sentence(case: Case, gate: Gate) -> str:
        if gate.value is None:
            return f"there is no forecast to tell the {what(case)}"
        return compared(gate, what(case), limit)

    return sentence


def direction(case: Case) -> str:
    """Return what the side's probability is one of."""
    return "probability of up" if case.side == LONG else "probability of down"


def _named(features: tuple[str, ...]) -> str:
    more = f" and {len(features) - 5} more" if len(features) > 5 else ""
    return ", ".join(features[:5]) + more
