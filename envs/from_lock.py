"""Write environment.yaml: the packages of requirements.lock, for conda."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEAD = """\
# The packages of requirements.lock for conda, made by envs/from_lock.py (`make lock`).
# conda env create -f envs/environment.yaml
# conda activate bot-cripto && pip install --no-deps -e .
name: bot-cripto
channels:
  - conda-forge
dependencies:
  - python>=3.11,<3.14
  - pip
  - pip:
"""


def environment(lock: str) -> str:
    """Return the text of environment.yaml for the text of a lock file."""
    pins = re.findall(r"^([A-Za-z0-9_.\-\[\]]+==[^\\\n]+?)\s*\\?$", lock, re.MULTILINE)
    return HEAD + "".join(f'      - "{pin.strip()}"\n' for pin in pins)


if __name__ == "__main__":
    text = environment((HERE.parent / "requirements.lock").read_text(encoding="utf-8"))
    (HERE / "environment.yaml").write_text(text, encoding="utf-8")
    sys.stdout.write(f"environment.yaml: {text.count('==')} packages\n")
