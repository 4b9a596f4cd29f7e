"""The words of the verdict on a backtest, in English and Spanish."""

from __future__ import annotations

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "and": "; ",
        "skill_yes": "Is there skill? Yes: the AUC of the forecasts is {auc} and its 95 % interval "
        "({low} to {high}) lies above 0.5.",
        "skill_not_shown": "Is there skill? Not shown: the AUC of the forecasts is {auc}, and its "
        "95 % interval ({low} to {high}) does not lie above 0.5.",
        "skill_no": "Is there skill? No: the AUC of the forecasts is {auc}, and its 95 % interval "
        "({low} to {high}) lies below 0.5, worse than chance.",
        "skill_suspect": "Is there skill? Not shown: the AUC of {auc} ({low} to {high}) is not to "
        "be believed, for a leak alarm went off.",
        "skill_unknown": "Is there skill? Not shown: there is no AUC with an interval.",
        "costs_yes": "Does it survive costs? Yes: {net} % after costs, random traders did as well "
        "in {p} % of the cases, and the deflated Sharpe ratio is {deflated} (trials: {trials}).",
        "costs_not_shown": "Does it survive costs? Not shown: {net} % after costs, but {reasons}.",
        "costs_no": "Does it survive costs? No: {net} % after costs.",
        "costs_nothing": "Does it survive costs? Not shown: nothing was earned after costs.",
        "costs_idle": "Does it survive costs? Not shown: the gates let no trade through.",
        "costs_suspect": "Does it survive costs? Not shown: the {net} % after costs are not to be "
        "believed, for a leak alarm went off.",
        "random": "random traders did as well in {p} % of the cases (at most 5 % needed)",
        "no_random": "there is no comparison with random traders",
        "deflated": "the deflated Sharpe ratio is {deflated} (at least 0.95 needed; trials: "
        "{trials})",
        "no_deflated": "there is no deflated Sharpe ratio",
        "needed": "needed: {minimum}",
        "no_length": "a ratio at or below 0 cannot show a profit however long the record",
        "sure_yes": "How sure is that? Shown at 5 %: {days} days ({needed}), annual Sharpe ratio "
        "{sharpe} with a 95 % interval of {low} to {high}.",
        "sure_no": "How sure is that? A profit is not shown at 5 %: {days} days ({needed}), annual "
        "Sharpe ratio {sharpe} with a 95 % interval of {low} to {high}.",
        "sure_of_loss": "How sure is that? The loss is shown at 5 %: {days} days, annual Sharpe "
        "ratio {sharpe} with a 95 % interval of {low} to {high}.",
        "sure_suspect": "How sure is that? Not at all, for a leak alarm went off: {days} days, "
        "annual Sharpe ratio {sharpe} with a 95 % interval of {low} to {high}.",
        "sure_unknown": "How sure is that? A profit is not shown at 5 %: {days} days give no "
        "Sharpe ratio with an interval.",
    },
    "es": {
        "and": "; ",
        "skill_yes": "¿Hay habilidad? Sí: el AUC de los pronósticos es {auc} y su intervalo del "
        "95 % (de {low} a {high}) queda por encima de 0,5.",
        "skill_not_shown": "¿Hay habilidad? No está demostrada: el AUC de los pronósticos es "
        "{auc}, y su intervalo del 95 % (de {low} a {high}) no queda por encima de 0,5.",
        "skill_no": "¿Hay habilidad? No: el AUC de los pronósticos es {auc}, y su intervalo del "
        "95 % (de {low} a {high}) queda por debajo de 0,5, peor que el azar.",
        "skill_suspect": "¿Hay habilidad? No está demostrada: el AUC de {auc} (de {low} a {high}) "
        "no es creíble, porque saltó una alarma de fuga de datos.",
        "skill_unknown": "¿Hay habilidad? No está demostrada: no hay un AUC con intervalo.",
        "costs_yes": "¿Sobrevive a los costos? Sí: {net} % después de costos, los operadores al "
        "azar lo igualaron en el {p} % de los casos, y el ratio de Sharpe deflactado es "
        "{deflated} (pruebas: {trials}).",
        "costs_not_shown": "¿Sobrevive a los costos? No está demostrado: {net} % después de "
        "costos, pero {reasons}.",
        "costs_no": "¿Sobrevive a los costos? No: {net} % después de costos.",
        "costs_nothing": "¿Sobrevive a los costos? No está demostrado: no se ganó nada después de "
        "costos.",
        "costs_idle": "¿Sobrevive a los costos? No está demostrado: los filtros no dejaron pasar "
        "ninguna operación.",
        "costs_suspect": "¿Sobrevive a los costos? No está demostrado: el {net} % después de "
        "costos no es creíble, porque saltó una alarma de fuga de datos.",
        "random": "los operadores al azar lo igualaron en el {p} % de los casos (se exige un 5 % "
        "como máximo)",
        "no_random": "falta la comparación con operadores al azar",
        "deflated": "el ratio de Sharpe deflactado es {deflated} (se exige 0,95 como mínimo; "
        "pruebas: {trials})",
        "no_deflated": "falta el ratio de Sharpe deflactado",
        "needed": "hacen falta {minimum}",
        "no_length": "un ratio que no supera 0 no demuestra ganancias, por largo que sea el "
        "registro",
        "sure_yes": "¿Qué tan seguro es? Demostrado al 5 %: {days} días ({needed}), ratio de "
        "Sharpe anual {sharpe} con un intervalo del 95 % de {low} a {high}.",
        "sure_no": "¿Qué tan seguro es? No hay ganancia demostrada al 5 %: {days} días ({needed}), "
        "ratio de Sharpe anual {sharpe} con un intervalo del 95 % de {low} a {high}.",
        "sure_of_loss": "¿Qué tan seguro es? La pérdida está demostrada al 5 %: {days} días, ratio "
        "de Sharpe anual {sharpe} con un intervalo del 95 % de {low} a {high}.",
        "sure_suspect": "¿Qué tan seguro es? Nada, porque saltó una alarma de fuga de datos: "
        "{days} días, ratio de Sharpe anual {sharpe} con un intervalo del 95 % de {low} a {high}.",
        "sure_unknown": "¿Qué tan seguro es? No hay ganancia demostrada al 5 %: {days} días no dan "
        "un ratio de Sharpe con intervalo.",
    },
}
