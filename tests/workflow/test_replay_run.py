"""What Snakemake made is replayed, traced and reproduced by the command line, from any checkout."""

from __future__ import annotations

import json
import shutil

from laboratory import ROOT, Lab


def test_signals_and_models_of_the_workflow_come_out_again(edited_lab: Lab, tmp_path) -> None:
    lab = edited_lab
    files = []
    for candle in (0, 1, 2):
        if candle:
            lab.cycle(candle)
        files.append(str(shutil.copy(lab.state / "logs/signal.json", tmp_path / f"{candle}.json")))
    done = lab.cli("replay", *files)
    assert done.code == 0 and "3 signals: 3 identical" in done.output, done.output
    signal = json.loads((lab.state / "logs/signal.json").read_bytes())
    name = "BTC_USDT-20240603T121000Z-r0"
    assert f"{name}: identical" in lab.cli("replay", name).output, "by its id in the journal"
    chain = lab.cli("lineage", name, "--json")
    assert chain.code == 0, chain.output
    links = {link["name"]: link for link in json.loads(chain.output)}
    assert all(link["broken"] is None for link in links.values())
    version = signal["version"]["models"]["trend"]["version"]
    for threads in ("1", "2"):
        made = lab.cli("reproduce", version, "--threads", threads)
        assert made.code == 0 and f"{version}: identical" in made.output, made.output

    # another checkout, and one whose code was edited: the same bytes, and it says so
    shutil.rmtree(lab.state / "data" / "training")
    lab.checkout = ROOT
    made = lab.cli("reproduce", version)
    assert made.code == 0 and "built again from" in made.output, made.output
    lab.checkout = tmp_path / "checkout"
    edited = lab.checkout / "bot_cripto/decision/gates.py"
    edited.write_text(edited.read_text().replace('"""', '"""Edited. ', 1))
    done = lab.cli("replay", name)
    assert done.code == 0 and "made by other code" in done.output, done.output
    edited.write_text(edited.read_text().replace('TRADED = "traded"', 'TRADED = "sold"'))
    done = lab.cli("replay", name)
    assert done.code == 3 and "gates[data_sound].value" in done.output, done.output
