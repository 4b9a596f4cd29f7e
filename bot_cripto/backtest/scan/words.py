"""The words of a scan, in English and Spanish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot_cripto.backtest.report_parts.values import Speech

Json = Mapping[str, Any]

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "scan_title": "Where is there an edge? {symbol}",
        "cell": "{timeframe} x {horizon}",
        "edge": "There may be an edge at {cell}: {net} net after full costs in {days} days out of "
        "sample, a deflated Sharpe ratio of {dsr} (at least 0.95 needed; trials: {trials}), an AUC "
        "of {auc} (95 %: {low} to {high}). Run the backtest there before you believe it.",
        "nowhere": "Nowhere: no timeframe and horizon shows a profit after full costs (cells "
        "measured: {measured} of {cells}; trials counted: {trials}).",
        "nothing": "Nowhere: nothing could be measured.",
        "nearest": "The nearest is {cell}: the surest tenth of its forecasts earns {earns} bp "
        "before costs{interval}; a round trip costs {cost} bp. It would break even at {share} of "
        "your costs.",
        "nearest_nothing": "The nearest is {cell}, and even the surest tenth of its forecasts "
        "earns nothing before costs: {earns} bp{interval}; a round trip costs {cost} bp.",
        "nearest_covers": "The nearest is {cell}: the surest tenth of its forecasts earns {earns} "
        "bp before costs{interval}, more than the {cost} bp of a round trip, but {reasons}.",
        "no_trades_at_all": "Your thresholds (PROB_MIN, MIN_EXPECTED_RETURN and the other gates) "
        "let no trade through, in no cell and at no cost.",
        "interval": " (95 %: {low} to {high})",
        "and": "; ",
        "suspect": "the AUC is too good to be true",
        "no_skill": "the interval of its AUC does not lie above 0.5",
        "no_trades": "your thresholds let no trade through",
        "loss": "the trades that your thresholds let through come to {net}",
        "deflated": "its deflated Sharpe ratio is {dsr} (at least 0.95 needed; trials: {trials})",
        "suspects": "Not to be believed: {cells}. The AUC is above what can be reached without "
        "knowing the future; look for the leak (bot-cripto audit).",
        "left_out": "Left out, because they are no multiples of the {base} candles that there are: "
        "{timeframes}.",
        "not_measured": "Not measured: {cells} ({rows} usable candles, {needed} needed).",
        "not_measured_why": "Not measured: {cells} ({reason}).",
        "facts_line": "Made {made}, from {base} candles in {folds} folds; trials counted: {trials}",
        "recommendation": "Recommendation",
        "shown": "shown",
        "not_shown": "not shown",
        "ahead": "ahead",
        "map_auc": "AUC of the forecasts",
        "map_auc_note": "0.5 is a coin. With its 95 % interval, by days, out of sample.",
        "map_surest": "What the surest tenth earns before costs",
        "map_surest_note": "Mean return of a forecast in its own direction, in basis points, with "
        "its 95 % interval by days. A round trip costs {cost} bp. Half of them may be shorts, "
        "which a spot market has not.",
        "map_net": "Net return at {share} of your costs",
        "map_net_note": "All thresholds as configured; a round trip then costs {cost} bp. Below: "
        "trades.",
        "map_dsr": "Deflated Sharpe ratio at full costs",
        "map_dsr_note": "The probability that it is not luck, with {trials} trials counted; at "
        "least 0.95 needed. A cell without trades has none.",
        "table": "Every cell",
        "table_note": "Indep.: forecasts whose horizons do not overlap. Right: the share "
        "of the surest tenth. Above costs: the "
        "share of forecasts whose expected move exceeds a round trip at full costs.",
        "column_cell": "Candles x ahead",
        "column_auc": "AUC",
        "column_independent": "Indep.",
        "column_surest": "Surest tenth, bp",
        "column_hits": "Right",
        "column_cost": "Costs, bp",
        "column_exceeding": "Above costs",
        "column_net": "Net at {share}",
        "column_psr": "PSR",
        "column_dsr": "DSR",
        "trades": "{count} trades",
        "trade": "1 trade",
        "unmeasured": "not measured",
    },
    "es": {
        "scan_title": "¿Dónde hay ventaja? {symbol}",
        "cell": "{timeframe} x {horizon}",
        "edge": "Puede haber ventaja en {cell}: {net} neto después de todos los costos en {days} "
        "días fuera de muestra, ratio de Sharpe deflactado de {dsr} (se exige 0,95 como mínimo; "
        "pruebas: {trials}), AUC de {auc} (95 %: de {low} a {high}). Haga ahí el backtest "
        "completo antes de creerlo.",
        "nowhere": "En ninguna parte: ningún marco temporal ni horizonte muestra ganancia después "
        "de todos los costos (celdas medidas: {measured} de {cells}; pruebas contadas: {trials}).",
        "nothing": "En ninguna parte: no se pudo medir nada.",
        "nearest": "Lo más cercano es {cell}: el décimo más seguro de sus pronósticos gana {earns} "
        "pb antes de costos{interval}; una ida y vuelta cuesta {cost} pb. Quedaría en cero con el "
        "{share} de sus costos.",
        "nearest_nothing": "Lo más cercano es {cell}, y ni el décimo más seguro de sus pronósticos "
        "gana algo antes de costos: {earns} pb{interval}; una ida y vuelta cuesta {cost} pb.",
        "nearest_covers": "Lo más cercano es {cell}: el décimo más seguro de sus pronósticos gana "
        "{earns} pb antes de costos{interval}, más que los {cost} pb de una ida y vuelta, pero "
        "{reasons}.",
        "no_trades_at_all": "Sus umbrales (PROB_MIN, MIN_EXPECTED_RETURN y las demás "
        "condiciones) no dejan pasar ninguna operación, en ninguna celda y a ningún costo.",
        "interval": " (95 %: de {low} a {high})",
        "and": "; ",
        "suspect": "el AUC es demasiado bueno para ser cierto",
        "no_skill": "el intervalo de su AUC no queda por encima de 0,5",
        "no_trades": "sus umbrales no dejan pasar ninguna operación",
        "loss": "las operaciones que sus umbrales dejan pasar dan {net}",
        "deflated": "su ratio de Sharpe deflactado es {dsr} (se exige 0,95 como mínimo; pruebas: "
        "{trials})",
        "suspects": "No es creíble: {cells}. El AUC supera lo que se alcanza sin conocer el "
        "futuro; busque la fuga de datos (bot-cripto audit).",
        "left_out": "Se dejan fuera, por no ser múltiplos de las velas de {base} que hay: "
        "{timeframes}.",
        "not_measured": "Sin medir: {cells} (velas útiles: {rows}; hacen falta {needed}).",
        "not_measured_why": "Sin medir: {cells} ({reason}).",
        "facts_line": "Hecho el {made}, con velas de {base} en {folds} pliegues; pruebas contadas: "
        "{trials}",
        "recommendation": "Recomendación",
        "shown": "demostrado",
        "not_shown": "no demostrado",
        "ahead": "adelante",
        "map_auc": "AUC de los pronósticos",
        "map_auc_note": "0,5 es una moneda. Con su intervalo del 95 %, por días, fuera de muestra.",
        "map_surest": "Lo que gana el décimo más seguro antes de costos",
        "map_surest_note": "Retorno medio de un pronóstico en su propia dirección, en puntos "
        "básicos, con su intervalo del 95 % por días. Una ida y vuelta cuesta {cost} pb. La mitad "
        "pueden ser ventas en corto, que en contado no existen.",
        "map_net": "Retorno neto con el {share} de sus costos",
        "map_net_note": "Todos los umbrales como están configurados; una ida y vuelta cuesta "
        "entonces {cost} pb. Debajo: operaciones.",
        "map_dsr": "Ratio de Sharpe deflactado con todos los costos",
        "map_dsr_note": "La probabilidad de que no sea suerte, contando {trials} pruebas; se exige "
        "0,95 como mínimo. Una celda sin operaciones no lo tiene.",
        "table": "Todas las celdas",
        "table_note": "Indep.: pronósticos cuyos horizontes no se solapan. Aciertos: "
        "los del décimo más seguro. Sobre costos: "
        "la parte de los pronósticos cuyo movimiento esperado supera una ida y vuelta con todos "
        "los costos.",
        "column_cell": "Velas x adelante",
        "column_auc": "AUC",
        "column_independent": "Indep.",
        "column_surest": "Décimo más seguro, pb",
        "column_hits": "Aciertos",
        "column_cost": "Costos, pb",
        "column_exceeding": "Sobre costos",
        "column_net": "Neto con {share}",
        "column_psr": "PSR",
        "column_dsr": "DSR",
        "trades": "{count} operaciones",
        "trade": "1 operación",
        "unmeasured": "sin medir",
    },
}


class ScanSpeech(Speech):
    """The words of a scan, and the numbers of every report."""

    def __call__(self, name: str, /, **values: object) -> str:
        """Return the words of that name, filled in; those of a backtest where there are none."""
        own = WORDS[self.lang].get(name)
        return super().__call__(name, **values) if own is None else own.format(**values)

    def cell(self, cell: Json) -> str:
        """Return the name of a cell: ``5m x 12``."""
        return self("cell", timeframe=cell["timeframe"], horizon=cell["horizon_steps"])

    def share(self, share: float) -> str:
        """Return a share of the costs as per cent, with decimals where it has some."""
        percent = round(100 * share, 6)
        return self.percent(share, 0 if percent == round(percent) else 1)

    def span(self, ends: Any, decimals: int) -> str:
        """Return an interval for a sentence, empty where there is none."""
        if ends is None:
            return ""
        low, high = (self.number(end, decimals) for end in ends)
        return self("interval", low=low, high=high)

    def bps(self, values: list[float]) -> str:
        """Return costs in basis points, from the least to the greatest."""
        written = [self.number(value, 1).removesuffix(".0").removesuffix(",0") for value in values]
        ends = (written[values.index(min(values))], written[values.index(max(values))])
        return ends[0] if ends[0] == ends[1] else f"{ends[0]}–{ends[1]}"
