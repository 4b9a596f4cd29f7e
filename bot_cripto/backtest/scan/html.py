"""The page of a scan: heat maps of timeframes and horizons, in one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot_cripto.backtest.report_parts.document import check_language, document, titled
from bot_cripto.backtest.report_parts.head import simulated_banner
from bot_cripto.backtest.report_parts.markup import esc, table, tag, text
from bot_cripto.backtest.report_parts.panels import panel
from bot_cripto.backtest.scan.grid import at_full_cost
from bot_cripto.backtest.scan.words import WORDS, ScanSpeech

MAPS_STYLE = """
.heat table{table-layout:fixed}.heat th,.heat td{text-align:center;padding:4px 2px}
.heat th:first-child{text-align:left;width:2.9em}.heat .tint{display:block;padding:6px 2px}
.heat small{display:block;color:inherit;font-size:.78rem;line-height:1.25}
.advice p{margin-top:8px;overflow-wrap:anywhere}.advice p:first-of-type{font-weight:600}
"""

STRONGEST = 60
"""Per cent of colour in a cell at the end of its scale."""

Json = Mapping[str, Any]
Shown = tuple[float | None, str, str]
"""How strong a cell is coloured (-1 to 1, None: not at all), its number, and what is below."""


def html(result: Json, lang: str = "en") -> str:
    """Return the page of a scan.

    Parameters
    ----------
    result : mapping
        As `scan.schema.json` describes it.
    lang : {"en", "es"}
        Language of the page.

    Returns
    -------
    str
        A whole HTML document, also well-formed as XML after its first line. It loads nothing and
        runs no script.

    Raises
    ------
    ConfigError
        The language is not known.
    """
    check_language(lang, WORDS)
    say = ScanSpeech(lang)
    title = titled(say("scan_title", symbol=result["symbol"]), result, say)
    parts = (_advice(result, say), *_maps(result, say), _all(result, say))
    sections = tag("div", *parts, class_="sections")
    return document(title, lang, _head(result, say), sections, style=MAPS_STYLE)


def _head(result: Json, say: ScanSpeech) -> str:
    facts = say(
        "facts_line",
        made=say.moment(result["made"]),
        base=result["base_timeframe"],
        folds=result["folds"],
        trials=result["trials"],
    )
    heading = text("h1", say("scan_title", symbol=result["symbol"]))
    source = text("p", say("source_real", source=result["source_name"]), class_="facts")
    return simulated_banner(result, say) + tag(
        "header", heading, text("p", facts, class_="facts"), source
    )


def _advice(result: Json, say: ScanSpeech) -> str:
    told = "".join(text("p", sentence) for sentence in result["recommendation"][say.lang])
    state = "shown" if result["edge"] else "not_shown"
    chip = tag("p", text("span", say(state), class_="chip"), class_=state.replace("_", "-"))
    advice = tag("div", told, class_="advice")
    return panel("recommendation", say("recommendation"), chip, advice, full=True)


def _maps(result: Json, say: ScanSpeech) -> list[str]:
    """Return a heat map of each measure, and one for each cost."""
    measured = [cell for cell in result["cells"] if cell["measured"]]
    if not measured:
        return []

    def costs_at(place: int) -> str:
        return say.bps([cell["costs"][place]["round_trip_bps"] for cell in measured])

    def auc(cell: Json) -> Shown:
        span = cell["auc_interval"]
        below = "" if span is None else "–".join(say.number(end, 3) for end in span)
        return (cell["auc"] - 0.5) / 0.05, say.number(cell["auc"], 3), below

    def surest(cell: Json) -> Shown:
        earns, span = cell["surest"]["earns_bps"], cell["surest"]["interval_bps"]
        if earns is None:
            return None, say("absent"), ""
        below = "" if span is None else " … ".join(say.number(end, 1) for end in span)
        cost = at_full_cost(cell)["round_trip_bps"]
        return earns / (cost or 1.0), say.number(earns, 1, sign=True), below

    def deflated(cell: Json) -> Shown:
        dsr = at_full_cost(cell)["dsr"]
        if dsr is None:
            return None, "–", ""
        return dsr, say.number(dsr, 3), ""

    def net_at(place: int) -> Callable[[Json], Shown]:
        def net(cell: Json) -> Shown:
            row = cell["costs"][place]
            count = row["trades"]
            below = say("trade") if count == 1 else say("trades", count=say.number(count, 0))
            strength = row["net_return"] / 0.2 if count else None
            return strength, say.change(row["net_return"], 1), below

        return net

    full = next(i for i, row in enumerate(measured[0]["costs"]) if row is at_full_cost(measured[0]))
    maps = [
        _map("auc", say("map_auc"), say("map_auc_note"), auc, result, say),
        _map(
            "surest",
            say("map_surest"),
            say("map_surest_note", cost=costs_at(full)),
            surest,
            result,
            say,
        ),
    ]
    for place, share in enumerate(result["cost_shares"]):
        title = say("map_net", share=say.share(share))
        note = say("map_net_note", cost=costs_at(place))
        maps.append(_map(f"net-{place}", title, note, net_at(place), result, say))
    note = say("map_dsr_note", trials=result["trials"])
    maps.append(_map("dsr", say("map_dsr"), note, deflated, result, say))
    return maps


def _map(
    name: str, title: str, note: str, show: Callable[[Json], Shown], result: Json, say: ScanSpeech
) -> str:
    """Return a table of timeframes by horizons, coloured by how good a cell is."""
    cells = {(cell["timeframe"], cell["horizon_steps"]): cell for cell in result["cells"]}
    body = []
    for timeframe in result["timeframes"]:
        row = [esc(timeframe)]
        for steps in result["horizons"]:
            cell = cells[timeframe, steps]
            if not cell["measured"]:
                row.append(text("span", say("unmeasured"), class_="no"))
                continue
            strength, number, below = show(cell)
            words = esc(number) + (text("small", below) if below else "")
            row.append(_tinted(words, strength))
        body.append(row)
    headers = ["", *(f"{steps} {say('ahead')}" for steps in result["horizons"])]
    listed = table(title, headers, body)
    return panel(name, title, tag("div", listed, class_="heat"), note=note)


def _tinted(words: str, strength: float | None) -> str:
    if strength is None:
        return tag("span", words, class_="tint no")
    part = round(STRONGEST * min(abs(strength), 1.0))
    side = "gain" if strength > 0 else "loss"
    return tag("span", words, class_=f"tint {side}", style=f"--s:{part}%")


def _all(result: Json, say: ScanSpeech) -> str:
    """Return what the maps do not show of each cell."""
    names = ("cell", "independent", "hits", "exceeding", "psr", "dsr")
    body = []
    for cell in result["cells"]:
        if cell["measured"]:
            row = at_full_cost(cell)
            shown = [
                say.number(cell["independent_horizons"], 0),
                say.percent(cell["surest"]["hit_rate"], 0),
                say.percent(row["exceeding"]),
                *("–" if row[name] is None else say.number(row[name], 3) for name in names[4:]),
            ]
            body.append([esc(say.cell(cell)), *map(esc, shown)])
    if not body:
        return ""
    headers = [say(f"column_{name}") for name in names]
    listed = table(say("table"), headers, body, class_="tight")
    return panel("table", say("table"), listed, note=say("table_note"))
