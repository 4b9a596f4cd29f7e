"""The leak alarms through the real workflow: what they block, and what they let pass."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from laboratory import SMALL

LOOK_AHEAD = (
    "        import numpy as np\n\n"
    "        values = c.log_return_over(lag)\n"
    "        return np.r_[values[1:], values[-1:]] if lag == 1 else values"
)
"""The return of the next candle for that of this one, where there is a next one."""


def configure(path: Path, *items: str) -> None:
    """Write settings into a checkout's config.yaml, which the command line reads."""
    configured = yaml.safe_load(path.read_text())
    for item in items:
        name, text = item.split("=", 1)
        value = yaml.safe_load(text)
        section = configured[name]
        configured[name] = {**section, **value} if isinstance(section, dict) else value
    path.write_text(yaml.safe_dump(configured))


def test_a_planted_look_ahead_raises_the_alarm_and_takes_the_models_out_of_use(edited_lab):
    lab = edited_lab
    few_rows = "training={min_rows: 1500}"
    configure(lab.checkout / "config" / "config.yaml", *SMALL, "folds=2", few_rows)
    lab.settings = ()
    clean = lab.cli("audit")
    assert clean.code == 0, clean.output
    assert "passed  truncation" in clean.output and "ALARM" not in clean.output

    champion = lab.state / "models" / "champion" / "BTC_USDT.json"
    before = json.loads(champion.read_text())
    assert before["provisional"] is True and "trend" in before["kinds"]
    feature = lab.checkout / "bot_cripto" / "features" / "returns.py"
    honest = "        return c.log_return_over(lag)"
    assert honest in feature.read_text(), "returns.py reads otherwise: choose another edit"
    feature.write_text(feature.read_text().replace(honest, LOOK_AHEAD))

    audited = lab.cli("audit")
    assert audited.code == 3, audited.output
    assert "BTC/USDT: ALARM   truncation: " in audited.output
    assert "log_return_1 (" in audited.output
    assert "BTC/USDT: ALARM   null_control: " in audited.output

    ran = lab.run("retrain")
    assert ran.code == 0, ran.output
    (judgement,) = (lab.state / "data" / "training").rglob("judgement.json")
    said = json.loads(judgement.read_text())
    assert said["reason"].startswith("baseline only: a leak alarm went off: truncation: ")
    assert set(said["challenger"]) == {"baseline"}
    after = json.loads(champion.read_text())
    assert set(after["kinds"]) == {"baseline"} and after["provisional"] is True
    assert after["reason"] == said["reason"]
