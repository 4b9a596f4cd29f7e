"""What the project itself promises: its lock files, its environments, its papers."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")


def pins(name: str) -> set[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z0-9_.\-]+==\S+(?: ; [^\\\n]+)?)", text, re.MULTILINE)
    return {pin.strip() for pin in found}


def test_the_conda_environment_is_the_lock_file():
    spec = importlib.util.spec_from_file_location("from_lock", ROOT / "envs" / "from_lock.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    written = (ROOT / "envs" / "environment.yaml").read_text(encoding="utf-8")
    assert written == module.environment(lock), "run: python envs/from_lock.py"
    assert {pin.split(" ;")[0] for pin in pins("requirements.lock")} == set(
        re.findall(r'- "([^"; ]+==[^"; ]+)', written)
    )


def test_the_lock_for_developers_holds_the_lock_for_running():
    held = pins("requirements-dev.lock")
    # without its marker a pin holds on every machine
    missing = [p for p in pins("requirements.lock") if not {p, p.split(" ;")[0]} & held]
    assert not missing


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes_and_no_host_is_named(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text and "index-url" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text, flags=re.IGNORECASE)
    assert len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries if entry.strip())


def test_every_dependency_is_locked_and_explained():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert block
    names = re.findall(r'"([A-Za-z0-9_-]+)', block.group(1))
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for name in names:
        assert f"| {name} |" in page, f"docs/dependencies.md does not say what {name} is for"
        assert any(pin.startswith(f"{name}==") for pin in pins("requirements.lock")), name


def test_the_two_commands_come_first():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^(make \w+)", readme, re.MULTILINE)
    assert commands[:2] == ["make signal", "make test"]


def test_what_the_readme_links_to_is_there():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
