"""What the commands answer, in English and Spanish."""

from __future__ import annotations

COMMANDS = (
    "status",
    "signal",
    "why",
    "portfolio",
    "performance",
    "drift",
    "versions",
    "pause",
    "resume",
    "kill",
    "release",
    "rollback",
    "retrain",
    "help",
)
"""Every command, in the order of the help page; Telegram's own /start and /confirm beside."""

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "help": "Commands:",
        "status.help": "mode, last signals, switches, ledger",
        "signal.help": "[SYMBOL] the last signal",
        "why.help": "[SYMBOL] every gate and number behind it",
        "portfolio.help": "equity, positions, trades",
        "performance.help": "[SYMBOL] hit rate and results of the signals",
        "drift.help": "[SYMBOL] has the hit rate fallen?",
        "versions.help": "models in use and before",
        "pause.help": "[REASON] no entries until /resume; at once",
        "resume.help": "end the pause (asks)",
        "kill.help": "[REASON] no entries until /release; at once",
        "release.help": "end the kill (asks)",
        "rollback.help": "SYMBOL back to the models before (asks)",
        "retrain.help": "train challengers now (asks)",
        "help.help": "this page",
        "unknown": "There is no command {name}. /help lists them.",
        "plain": "I only understand commands; /help lists them.",
        "no_symbol": "{symbol} is not configured. Configured: {known}.",
        "which_symbol": "Which symbol? Configured: {known}.",
        "failed": "{name} failed: {error}",
        # dangerous ones
        "ask": "{what}?\nPress Confirm within {seconds} s, or write: /confirm {code}",
        "confirm": "Confirm",
        "cancel": "Cancel",
        "cancelled": "Cancelled: {what}",
        "expired": "Nothing was done: that confirmation has expired, was used, or is not known.",
        "stale": "/{name} was written {age} ago, while I was not listening: not carried out. "
        "Write it again if you still want it.",
        "late": "(written {age} ago, while I was not listening)",
        "resume.ask": "End the pause, so that new positions may be opened",
        "release.ask": "End the kill, so that new positions may be opened",
        "retrain.ask": "Train challengers now, which takes a while",
        "rollback.ask": "Put the models before back in use for {symbol}",
        # switches
        "kill.done": "KILLED: no new positions. What is open stays under its stops; "
        "`bot-cripto flatten` closes it.",
        "pause.done": "Paused: no new positions until /resume.",
        "release.done": "The kill has ended.",
        "resume.done": "The pause has ended.",
        "switch.failed": "/{name} COULD NOT BE WRITTEN: {error}. Stop the bot on its host.",
        "not_recorded": "It took effect, but was not recorded: {error}",
        "entries_stopped": "Entries are stopped: {reasons}",
        "entries_allowed": "Entries are allowed.",
        # status
        "no_signal": "{symbol}: no signal yet",
        "unreadable": "{symbol}: the signal cannot be read ({error})",
        "signal_line": "{symbol}: {decision}, candle of {candle}, {age} ago{expired}\n  {reason}",
        "past_validity": ", NO LONGER VALID",
        "no_candle": "without a candle",
        "ledger": "{account} ledger: equity {equity} {quote} at {candle}",
        "ledger_empty": "{account} ledger: no candle yet",
        "ledger_none": "No ledger yet: nothing was executed.",
        "ledger_bad": "{account} LEDGER UNREADABLE: {error}",
        # performance and drift
        "no_history": "{symbol}: no outcomes yet",
        "history_bad": "{symbol}: {error}",
        "performance": "{symbol}: {count} outcomes since {since}\n"
        "  direction right: {hits} (last {recent}: {recent_hits})\n"
        "  mean forecast {forecast}, mean outcome {outcome}",
        "results": "  LONG and SHORT: {count}, after costs {mean} each, {total} in all, {won} won",
        "no_results": "  LONG and SHORT: none yet",
        "drift": "{symbol}: {status}\n  {reason}",
        # models
        "no_champion": "{symbol}: no models yet",
        "champion": "{symbol}: in use since {since}{provisional}\n  {kinds}\n  {reason}",
        "provisional": " (provisional, paper only)",
        "before": "  before: {kinds} ({since})",
        "rolled_back": "{symbol}: back in use: {kinds}",
        "rolling_back": "the models before are put back in use, by {who}",
        "retrain.started": "Retrain has started; I tell you when it ends.",
        "retrain.running": "A retrain that I started is running already.",
        "retrain.ended": "Retrain has ended after {age}.",
        "retrain.failed": "RETRAIN FAILED with exit code {code} after {age}: {line}\nLog: {log}",
    },
    "es": {
        "help": "Comandos:",
        "status.help": "modo, últimas señales, interruptores, libro",
        "signal.help": "[SÍMBOLO] la última señal",
        "why.help": "[SÍMBOLO] cada condición y número de ella",
        "portfolio.help": "capital, posiciones, operaciones",
        "performance.help": "[SÍMBOLO] aciertos y resultados de las señales",
        "drift.help": "[SÍMBOLO] ¿han bajado los aciertos?",
        "versions.help": "modelos en uso y anteriores",
        "pause.help": "[MOTIVO] sin entradas hasta /resume; inmediato",
        "resume.help": "termina la pausa (pregunta)",
        "kill.help": "[MOTIVO] sin entradas hasta /release; inmediato",
        "release.help": "termina el bloqueo (pregunta)",
        "rollback.help": "SÍMBOLO vuelve a los modelos anteriores (pregunta)",
        "retrain.help": "entrena aspirantes ahora (pregunta)",
        "help.help": "esta página",
        "unknown": "No existe el comando {name}. /help los muestra.",
        "plain": "Solo entiendo comandos; /help los muestra.",
        "no_symbol": "{symbol} no está configurado. Configurados: {known}.",
        "which_symbol": "¿Qué símbolo? Configurados: {known}.",
        "failed": "{name} ha fallado: {error}",
        "ask": "¿{what}?\nPulsa Confirmar antes de {seconds} s, o escribe: /confirm {code}",
        "confirm": "Confirmar",
        "cancel": "Cancelar",
        "cancelled": "Cancelado: {what}",
        "expired": "No se ha hecho nada: esa confirmación ha caducado, ya se usó o no existe.",
        "stale": "/{name} se escribió hace {age}, cuando yo no escuchaba: no se ejecuta. "
        "Escríbelo otra vez si aún lo quieres.",
        "late": "(escrito hace {age}, cuando yo no escuchaba)",
        "resume.ask": "Terminar la pausa, para que se puedan abrir posiciones",
        "release.ask": "Terminar el bloqueo, para que se puedan abrir posiciones",
        "retrain.ask": "Entrenar aspirantes ahora, lo que tarda un rato",
        "rollback.ask": "Volver a usar los modelos anteriores de {symbol}",
        "kill.done": "BLOQUEADO: sin posiciones nuevas. Lo abierto sigue bajo sus stops; "
        "`bot-cripto flatten` lo cierra.",
        "pause.done": "En pausa: sin posiciones nuevas hasta /resume.",
        "release.done": "El bloqueo ha terminado.",
        "resume.done": "La pausa ha terminado.",
        "switch.failed": "/{name} NO SE HA PODIDO ESCRIBIR: {error}. Detén el bot en su máquina.",
        "not_recorded": "Ha tenido efecto, pero no se ha anotado: {error}",
        "entries_stopped": "Las entradas están detenidas: {reasons}",
        "entries_allowed": "Las entradas están permitidas.",
        "no_signal": "{symbol}: aún no hay señal",
        "unreadable": "{symbol}: la señal no se puede leer ({error})",
        "signal_line": "{symbol}: {decision}, vela de {candle}, hace {age}{expired}\n  {reason}",
        "past_validity": ", YA NO ES VÁLIDA",
        "no_candle": "sin vela",
        "ledger": "libro {account}: capital {equity} {quote} a las {candle}",
        "ledger_empty": "libro {account}: aún sin velas",
        "ledger_none": "Aún no hay libro: no se ha ejecutado nada.",
        "ledger_bad": "LIBRO {account} ILEGIBLE: {error}",
        "no_history": "{symbol}: aún no hay resultados",
        "history_bad": "{symbol}: {error}",
        "performance": "{symbol}: {count} resultados desde {since}\n"
        "  dirección acertada: {hits} (últimos {recent}: {recent_hits})\n"
        "  pronóstico medio {forecast}, resultado medio {outcome}",
        "results": "  LONG y SHORT: {count}, tras costes {mean} de media, {total} en total, "
        "{won} ganadas",
        "no_results": "  LONG y SHORT: aún ninguna",
        "drift": "{symbol}: {status}\n  {reason}",
        "no_champion": "{symbol}: aún no hay modelos",
        "champion": "{symbol}: en uso desde {since}{provisional}\n  {kinds}\n  {reason}",
        "provisional": " (provisional, solo en papel)",
        "before": "  antes: {kinds} ({since})",
        "rolled_back": "{symbol}: de nuevo en uso: {kinds}",
        "rolling_back": "vuelven los modelos anteriores, por {who}",
        "retrain.started": "El entrenamiento ha empezado; avisaré cuando termine.",
        "retrain.running": "Ya hay un entrenamiento en marcha que inicié yo.",
        "retrain.ended": "El entrenamiento ha terminado tras {age}.",
        "retrain.failed": "EL ENTRENAMIENTO HA FALLADO con código {code} tras {age}: {line}\n"
        "Registro: {log}",
    },
}

_STATUS = {
    "es": {
        "drift": "hay deriva",
        "no drift": "no hay deriva",
        "insufficient data": "datos insuficientes",
    }
}


def drift_status(status: str, language: str) -> str:
    """Return a verdict of `bot_cripto.drift.history` in a language."""
    return _STATUS.get(language, {}).get(status, status)


def duration(milliseconds: float) -> str:
    """Return a span of time for people, e.g. ``45 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``."""
    seconds = max(0, round(milliseconds / 1000))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if seconds < 120:
        return f"{seconds} s"
    if minutes < 120:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"
