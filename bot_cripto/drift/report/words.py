"""Words of the page of drift, in each language."""

from __future__ import annotations

from bot_cripto.backtest.report_parts.values import Speech

WORDS = {
    "en": {
        "drift_title": "{symbol}: drift",
        "drift_facts": "as of {candle} · last {days} days against what the models learnt · at most "
        "{rate} false alarms",
        "drift_models": "models: {models}",
        "no_models": "none",
        "inputs": "Inputs",
        "forecasts": "Forecasts",
        "performance": "Results",
        "features": "Features of the last days against the training data",
        "distribution": "Distribution of the probabilities",
        "calibration": "Meaning of the probabilities",
        "sequential": "Right directions in the order of time",
        "relative_drop": "Right directions: the last against those before",
        "scores": "How unlike the training data each feature is",
        "scores_note": "In standard deviations of such stretches of training; drift is what "
        "reaches the line.",
        "all_features": "All features",
        "feature": "Feature",
        "psi": "PSI",
        "usual_psi": "usual",
        "ks": "KS",
        "usual_ks": "usual",
        "score": "Score",
        "shares": "Shares of the probabilities in tenths of the holdout",
        "now": "last days",
        "before": "holdout",
        "reliability": "Came true, against what was forecast",
        "hits": "Share of right directions",
        "falls": "fall found",
        "status_of": "Drift, by part",
        "p": "p = {p}",
    },
    "es": {
        "drift_title": "{symbol}: deriva",
        "drift_facts": "a {candle} · últimos {days} días frente a lo que aprendieron los modelos · "
        "como mucho {rate} de falsas alarmas",
        "drift_models": "modelos: {models}",
        "no_models": "ninguno",
        "inputs": "Entradas",
        "forecasts": "Pronósticos",
        "performance": "Resultados",
        "features": "Indicadores de los últimos días frente al entrenamiento",
        "distribution": "Reparto de las probabilidades",
        "calibration": "Significado de las probabilidades",
        "sequential": "Aciertos de dirección en el tiempo",
        "relative_drop": "Aciertos: los últimos frente a los anteriores",
        "scores": "Cuánto se aparta cada indicador del entrenamiento",
        "scores_note": "En desviaciones típicas de tramos así del entrenamiento; es deriva lo que "
        "llega a la línea.",
        "all_features": "Todos los indicadores",
        "feature": "Indicador",
        "psi": "PSI",
        "usual_psi": "habitual",
        "ks": "KS",
        "usual_ks": "habitual",
        "score": "Puntuación",
        "shares": "Proporción de las probabilidades en décimas de la reserva",
        "now": "últimos días",
        "before": "reserva",
        "reliability": "Lo que se cumplió frente a lo pronosticado",
        "hits": "Proporción de aciertos",
        "falls": "bajada hallada",
        "status_of": "Deriva, por parte",
        "p": "p = {p}",
    },
}


class DriftSpeech(Speech):
    """The words of this page, and those of a backtest."""

    def __call__(self, name: str, /, **values: object) -> str:
        """Return the words of that name, filled in."""
        own = WORDS[self.lang].get(name)
        return super().__call__(name, **values) if own is None else own.format(**values)
