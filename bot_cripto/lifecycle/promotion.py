"""When a challenger becomes champion: the conditions, each with its numbers and its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bot_cripto.lifecycle.duel import Duel
from bot_cripto.timeframes import iso

MIN_INDEPENDENT = 200
"""Least number of non-overlapping horizons that a comparison stands on."""

RECENT_STANDARD_ERRORS = 1.0
"""How much worse the log loss of the last days may be, in its standard errors."""

NOTICE_DAYS = 1.0
"""So long before a champion is too old to be used it may be renewed: retrains are daily."""

ALWAYS, RESULT, CALIBRATION, RENEWAL = "always", "better_result", "better_calibrated", "renewal"
"""What a condition belongs to: all of the first, and all of one of the others, must hold."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Rules:
    """The section ``promotion`` of the configuration, whose comments say what they are."""

    min_gain: float
    min_trades: int
    min_standard_errors: float
    loss_tolerance: float
    recent_days: float
    max_model_age_days: float


@dataclass(frozen=True)
class Condition:
    """One condition of a promotion.

    Attributes
    ----------
    name : str
    part : {"always", "better_result", "better_calibrated", "renewal"}
    value, threshold : float or None
        What is compared, in the unit of the name; None where there is nothing to measure.
    passed : bool
    text : str
        The comparison in words.
    """

    name: str
    part: str
    value: float | None
    threshold: float | None
    passed: bool
    text: str


@dataclass(frozen=True)
class Verdict:
    """Who wins, and why.

    Attributes
    ----------
    promote : bool
        True: the challenger becomes champion.
    reason : str
        Why or why not, in a sentence.
    conditions : tuple of Condition
        All that were asked; empty where it did not come to that.
    duel : Duel or None
        The comparison; None where there was none.
    in_use : bool
        True: the challenger is the champion already, and is judged again.
    """

    promote: bool
    reason: str
    conditions: tuple[Condition, ...] = ()
    duel: Duel | None = None
    in_use: bool = False

    def to_json(self) -> Json:
        """Return everything that a page or a record shows of it."""
        value: Json = {
            "reason": self.reason,
            "conditions": [asdict(condition) for condition in self.conditions],
            "sides": {},
        }
        fight = self.duel
        if fight is None:
            return value
        interval = fight.net_return_interval
        return value | {
            "candles": fight.candles,
            "horizons": fight.horizons,
            "first_candle": iso(fight.first_ms),
            "recent_from": iso(fight.recent_ms),
            "last_candle": iso(fight.last_ms),
            "sides": {
                "challenger": fight.challenger.to_json(),
                "champion": fight.champion.to_json(),
            },
            "difference": {
                "net_return": fight.net_return,
                "net_return_interval": None if interval is None else list(interval),
                "log_loss": fight.log_loss,
                "log_loss_error": fight.log_loss_error,
                "recent_net_return": fight.recent_net_return,
                "recent_log_loss": fight.recent_log_loss,
                "recent_log_loss_error": fight.recent_log_loss_error,
            },
        }


def enough(horizons: int) -> Condition:
    """Return the condition that asks for candles enough to compare anything."""
    return Condition(
        "unseen_horizons",
        ALWAYS,
        horizons,
        MIN_INDEPENDENT,
        horizons >= MIN_INDEPENDENT,
        f"{horizons} non-overlapping horizons that neither has seen, {MIN_INDEPENDENT} are needed",
    )


def no_leak(gone_off: str) -> Condition:
    """Return the condition that no leak alarm went off; `gone_off` says which did."""
    text = f"a leak alarm went off: {gone_off}" if gone_off else "no leak alarm went off"
    return Condition("leak_alarms", ALWAYS, float(bool(gone_off)), 0.0, not gone_off, text)


def judge(fight: Duel, rules: Rules, age_days: float) -> Verdict:
    """Return whether the challenger becomes champion.

    It does where it earned more by the margin in enough trades, or where it earned no less and is
    better calibrated, or where it is no worse and the champion is too old to be used any longer;
    and in every case is not worse in the last days.

    Parameters
    ----------
    fight : Duel
    rules : Rules
    age_days : float
        Days from the cutoff of the champion's oldest model to that of the challenger.

    Notes
    -----
    A champion with fewer than `Rules.min_trades` trades is given credit for what they earned but
    not charged for what they lost: a handful of bad luck is no evidence against it. One that made
    none is compared by its certain 0.

    A result that is better by the margin, but in too few trades to count, is no obstacle to a
    better calibration. Where both traded too little, their results say nothing: they count as
    equal.
    """
    conditions = (
        no_leak(""),
        enough(fight.horizons),
        *_last_days(fight, rules),
        *_result(fight, rules),
        *_calibration(fight, rules),
        *_renewal(fight, rules, age_days),
    )
    sound, earned, calibrated, renewed = (
        all(c.passed for c in conditions if c.part == part)
        for part in (ALWAYS, RESULT, CALIBRATION, RENEWAL)
    )
    on = f"on {fight.candles} unseen candles"
    if sound and earned:
        reason = f"the challenger is better {on}: {_said(conditions, RESULT)}"
    elif sound and calibrated:
        reason = f"the challenger is better calibrated {on}: {_said(conditions, CALIBRATION)}"
    elif sound and renewed:
        reason = f"the challenger is no worse {on}: {_said(conditions, RENEWAL)}"
    else:
        failed = [c.text for c in conditions if c.part == ALWAYS and not c.passed]
        if not (earned or calibrated or renewed):
            failed.append(f"no better result: {_said(conditions, RESULT, failed=True)}")
            failed.append(f"no better calibration: {_said(conditions, CALIBRATION, failed=True)}")
            if is_old(age_days, rules):
                failed.append(f"too old, but worse: {_said(conditions, RENEWAL, failed=True)}")
        reason = f"the champion stays {on}: {'; '.join(failed)}"
    promoted = sound and (earned or calibrated or renewed)
    return Verdict(promoted, reason, conditions, fight)


def is_old(age_days: float, rules: Rules) -> bool:
    """Whether the gate `model_age` silences a champion, or will before the next retrain."""
    return age_days > rules.max_model_age_days - NOTICE_DAYS


def _said(conditions: tuple[Condition, ...], part: str, *, failed: bool = False) -> str:
    """Return the words of a part's conditions; of those that failed alone, if asked."""
    return ", ".join(c.text for c in conditions if c.part == part and not (failed and c.passed))


def _last_days(fight: Duel, rules: Rules) -> list[Condition]:
    ours, theirs = fight.champion, fight.challenger
    since = f"since {iso(fight.recent_ms)}"
    allowed = RECENT_STANDARD_ERRORS * fight.recent_log_loss_error
    return [
        Condition(
            "recent_net_return",
            ALWAYS,
            fight.recent_net_return,
            -rules.min_gain,
            fight.recent_net_return >= -rules.min_gain,
            f"{since} net {theirs.recent_net_return:+.2%} against {ours.recent_net_return:+.2%} "
            f"({rules.min_gain:.2%} less is allowed)",
        ),
        Condition(
            "recent_log_loss",
            ALWAYS,
            fight.recent_log_loss,
            allowed,
            fight.recent_log_loss <= allowed,
            f"{since} log loss {fight.recent_log_loss:+.5f} ({allowed:+.5f} is allowed)",
        ),
    ]


def _result(fight: Duel, rules: Rules) -> list[Condition]:
    ours, theirs = fight.champion, fight.challenger
    few = ours.trades < rules.min_trades
    gain = theirs.net_return - (max(ours.net_return, 0.0) if few else ours.net_return)
    unsure = " in too few trades to count as a loss" if few and ours.net_return < 0 else ""
    return [
        Condition(
            "net_return",
            RESULT,
            gain,
            rules.min_gain,
            gain >= rules.min_gain,
            f"net {theirs.net_return:+.2%} against {ours.net_return:+.2%}{unsure} "
            f"({rules.min_gain:.2%} more is asked for)",
        ),
        Condition(
            "trades",
            RESULT,
            theirs.trades,
            rules.min_trades,
            theirs.trades >= rules.min_trades,
            f"{theirs.trades} trades against {ours.trades} ({rules.min_trades} are asked for)",
        ),
    ]


def _calibration(fight: Duel, rules: Rules) -> list[Condition]:
    ours, theirs = fight.champion, fight.challenger
    least = rules.min_standard_errors * fight.log_loss_error
    return [
        _no_worse_result(fight, rules, CALIBRATION),
        Condition(
            "log_loss",
            CALIBRATION,
            -fight.log_loss,
            least,
            fight.log_loss < 0 and -fight.log_loss >= least,
            f"log loss {theirs.losses['log_loss']:.5f} against {ours.losses['log_loss']:.5f} "
            f"({least:.5f} less is asked for)",
        ),
        *_no_worse_losses(fight, rules, CALIBRATION),
    ]


def _renewal(fight: Duel, rules: Rules, age_days: float) -> list[Condition]:
    limit = rules.max_model_age_days - NOTICE_DAYS
    allowed = RECENT_STANDARD_ERRORS * fight.log_loss_error
    return [
        Condition(
            "champion_age",
            RENEWAL,
            age_days,
            limit,
            is_old(age_days, rules),
            f"the champion was trained until {age_days:.0f} days ago, and is not used beyond "
            f"{rules.max_model_age_days:.0f}",
        ),
        _no_worse_result(fight, rules, RENEWAL),
        Condition(
            "log_loss",
            RENEWAL,
            fight.log_loss,
            allowed,
            fight.log_loss <= allowed,
            f"log loss {fight.log_loss:+.5f} ({allowed:+.5f} is allowed)",
        ),
        *_no_worse_losses(fight, rules, RENEWAL),
    ]


def _no_worse_result(fight: Duel, rules: Rules, part: str) -> Condition:
    ours, theirs = fight.champion, fight.challenger
    few = max(ours.trades, theirs.trades) < rules.min_trades
    return Condition(
        "no_worse_result",
        part,
        fight.net_return,
        -rules.min_gain,
        few or fight.net_return > -rules.min_gain,
        f"net {theirs.net_return:+.2%} against {ours.net_return:+.2%}"
        + (f" in too few trades to tell ({theirs.trades}, {ours.trades})" if few else ""),
    )


def _no_worse_losses(fight: Duel, rules: Rules, part: str) -> list[Condition]:
    ours, theirs = fight.champion.losses, fight.challenger.losses
    found = []
    for name in ("pinball", "volatility"):
        ratio = theirs[name] / ours[name] - 1.0 if ours[name] > 0 else 0.0
        found.append(
            Condition(
                name,
                part,
                ratio,
                rules.loss_tolerance,
                theirs[name] <= ours[name] * (1.0 + rules.loss_tolerance),
                f"{name} loss {ratio:+.2%} ({rules.loss_tolerance:+.2%} is allowed)",
            )
        )
    return found


def of_settings(settings: Mapping[str, Any]) -> Rules:
    """Return the rules of the effective settings."""
    return Rules(**settings["promotion"], max_model_age_days=settings["max_model_age_days"])
