"""What is found, in a sentence of each language."""

from __future__ import annotations

from bot_cripto.drift.history import DRIFT, INSUFFICIENT, NO_DRIFT

LANGUAGES = ("en", "es")

STATUS = {
    "en": {DRIFT: "drift", NO_DRIFT: "no drift", INSUFFICIENT: "insufficient data"},
    "es": {DRIFT: "deriva", NO_DRIFT: "sin deriva", INSUFFICIENT: "datos insuficientes"},
}

_SENTENCES = {
    "en": {
        "few_recent": "{rows} whole rows of features in the last days; {needed} are needed",
        "few_windows": "{days:.1f} days of training before the last {recent:g} days; {needed:g} "
        "are needed, {windows} times as many as are compared (train on more, or lower "
        "drift.recent_days)",
        "gaps": "the {days:.1f} days of training have too many gaps to say what is usual",
        "features_drift": "The features of the last {recent:g} days are unlike those of the "
        "{days:.0f} days of training: greatest score {score:.1f}, usual {usual:.1f}. By "
        "chance that happens in {p:.2%} of checks ({alpha:.1%} is accepted). The most unlike: "
        "{names}.",
        "features_same": "The features of the last {recent:g} days are as unlike those of the "
        "{days:.0f} days of training as others are: greatest score {score:.1f}, usual "
        "{usual:.1f} (p = {p:.2g}, drift at {alpha:.2g}).",
        "no_champion": "there is no model in use whose training could be compared ({reason})",
        "no_history": "the candle store holds none of the candles that the model was trained on",
        "baseline": "the baseline is in use: its probability never changes",
        "few_forecasts": "{rows} candles since the model's cutoff, {horizons} horizons that do "
        "not overlap; {needed} are needed",
        "few_holdout": "the holdout has {horizons} horizons that do not overlap; {needed} are "
        "needed",
        "few_past": "the model learnt from {days:.1f} days, too few to say how much "
        "probabilities usually change",
        "distribution_drift": "The probabilities of the last {recent:.1f} days are distributed "
        "otherwise than in the holdout: PSI {psi:.2f}, usual {usual:.2f} (p = {p:.2g}).",
        "distribution_same": "The probabilities of the last {recent:.1f} days differ from the "
        "holdout's as much as is usual: PSI {psi:.2f}, usual {usual:.2f} (p = {p:.2g}).",
        "calibration_drift": "The probabilities no longer mean what they did in the holdout: "
        "bias {bias:+.3f} (was {was:+.3f}, z = {z_bias:.1f}), slope of the error z = "
        "{z_slope:.1f} (p = {p:.2g}).",
        "calibration_same": "The probabilities mean what they did in the holdout: bias "
        "{bias:+.3f} (was {was:+.3f}, z = {z_bias:.1f}), slope of the error z = {z_slope:.1f} "
        "(p = {p:.2g}).",
        "no_journal": "no signal was published yet",
        "few_blocks": "{blocks} stretches of {length} candles with outcomes; {needed} are needed",
        "sequential_drift": "The share of right directions fell from {before:.3f} to {after:.3f} "
        "about {when} (found by ADWIN on {blocks} stretches of {length} candles).",
        "sequential_same": "ADWIN finds no fall of the share of right directions in the last "
        "days: {after:.3f} over {blocks} stretches of {length} candles.",
        "relative_chance": "{reason}; by chance in {p:.1%} of cases, which is no drift yet",
        "relative": "{reason} (p = {p:.2g})",
        "relative_few": "{reason}",
    },
    "es": {
        "few_recent": "{rows} filas enteras de indicadores en los últimos días; hacen falta "
        "{needed}",
        "few_windows": "{days:.1f} días de entrenamiento antes de los últimos {recent:g} días; "
        "hacen falta {needed:g}, {windows} veces lo que se compara (entrena con más o baja "
        "drift.recent_days)",
        "gaps": "los {days:.1f} días de entrenamiento tienen demasiados huecos para saber qué es "
        "habitual",
        "features_drift": "Los indicadores de los últimos {recent:g} días no se parecen a los de "
        "los {days:.0f} días de entrenamiento: puntuación máxima {score:.1f}, habitual "
        "{usual:.1f}; por azar en el {p:.2%} de tales semanas (se acepta {alpha:.1%}). Los más "
        "distintos: {names}.",
        "features_same": "Los indicadores de los últimos {recent:g} días se parecen a los de los "
        "{days:.0f} días de entrenamiento como es habitual: puntuación máxima {score:.1f}, "
        "habitual {usual:.1f} (p = {p:.2g}, deriva desde {alpha:.2g}).",
        "no_champion": "no hay modelo en uso cuyo entrenamiento se pueda comparar ({reason})",
        "no_history": "el almacén no tiene las velas con las que se entrenó el modelo",
        "baseline": "está en uso el modelo básico: su probabilidad no cambia nunca",
        "few_forecasts": "{rows} velas desde el corte del modelo, {horizons} horizontes sin "
        "solape; hacen falta {needed}",
        "few_holdout": "la reserva tiene {horizons} horizontes sin solape; hacen falta {needed}",
        "few_past": "el modelo aprendió de {days:.1f} días, muy pocos para saber cuánto cambian "
        "las probabilidades",
        "distribution_drift": "Las probabilidades de los últimos {recent:.1f} días se reparten "
        "de otra manera que en la reserva: PSI {psi:.2f}, habitual {usual:.2f} (p = {p:.2g}).",
        "distribution_same": "Las probabilidades de los últimos {recent:.1f} días difieren de las "
        "de la reserva como es habitual: PSI {psi:.2f}, habitual {usual:.2f} (p = {p:.2g}).",
        "calibration_drift": "Las probabilidades ya no significan lo que en la reserva: sesgo "
        "{bias:+.3f} (era {was:+.3f}, z = {z_bias:.1f}), pendiente del error z = {z_slope:.1f} "
        "(p = {p:.2g}).",
        "calibration_same": "Las probabilidades significan lo que en la reserva: sesgo "
        "{bias:+.3f} (era {was:+.3f}, z = {z_bias:.1f}), pendiente del error z = {z_slope:.1f} "
        "(p = {p:.2g}).",
        "no_journal": "aún no se ha publicado ninguna señal",
        "few_blocks": "{blocks} tramos de {length} velas con resultado; hacen falta {needed}",
        "sequential_drift": "La proporción de aciertos bajó de {before:.3f} a {after:.3f} hacia "
        "{when} (lo halla ADWIN en {blocks} tramos de {length} velas).",
        "sequential_same": "ADWIN no halla ninguna bajada de los aciertos en los últimos días: "
        "{after:.3f} en {blocks} tramos de {length} velas.",
        "relative_chance": "{reason}; por azar en el {p:.1%} de los casos: aún no es deriva",
        "relative": "{reason} (p = {p:.2g})",
        "relative_few": "{reason}",
    },
}


def sentence(name: str, **values: object) -> dict[str, str]:
    """Return the sentence of that name, filled in, by language."""
    return {language: _SENTENCES[language][name].format(**values) for language in LANGUAGES}
