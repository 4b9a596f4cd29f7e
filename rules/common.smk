# The configuration, the clock and the names that every stage shares.
import atexit
import hashlib
import os
import sys
import traceback
from pathlib import Path

from snakemake.logging import logger

# Two OpenMP threads on busy virtual cores collapse; jobs are parallel instead.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Snakemake imports pandas (0.6 s) wherever it is installed, in case a param is a DataFrame.
sys.modules.setdefault("pandas", None)

from bot_cripto import clock
from bot_cripto.checkout import standing
from bot_cripto.config import effective, load_settings
from bot_cripto.decision.thresholds import POLICY_KEYS
from bot_cripto.errors import ConfigError
from bot_cripto.execution.desk import STATE_KEYS
from bot_cripto.execution.live.permission import require_live
from bot_cripto.layout import Layout
from bot_cripto.ledger import control
from bot_cripto.market.exchange_loader import check_exchange_id
from bot_cripto.models.champion import champion_path
from bot_cripto.provenance import canonical_json, code_sha256, git_commit
from bot_cripto.symbols import symbol_from_path, symbol_to_path
from bot_cripto.timeframes import candle_id, last_close
from bot_cripto.workflow import runs
from bot_cripto.workflow.failures import publish_config_failure

ROOT = Path(workflow.basedir)
SCRIPTS = ROOT / "scripts"


def is_real_run():
    """Whether the command line asks for work, not for a look (dry run, lint, graph, ...)."""
    from snakemake.cli import parse_args

    _, args = parse_args(None)
    looks = ("dryrun", "lint", "dag", "rulegraph", "filegraph", "d3dag", "summary")
    looks += (
        "detailed_summary",
        "report",
        "list_rules",
        "list_target_rules",
        "list_changes",
        "touch",
    )
    return not any(getattr(args, look, None) for look in looks)


CONFIG_FILES = [Path(file) for file in workflow.config_settings.configfiles]
CONFIG_ARGUMENTS = workflow.config_settings.config
try:
    SETTINGS = effective(
        load_settings(
            [ROOT / "config" / "config.yaml", *CONFIG_FILES], os.environ, CONFIG_ARGUMENTS
        ),
        standing(),
    )
    if SETTINGS["source"] == "exchange":
        check_exchange_id(SETTINGS["exchange"])
    if SETTINGS["live_mode"]:
        require_live(SETTINGS, os.environ)
    # One moment for the whole run: jobs see the same one.
    os.environ[clock.AS_OF_VARIABLE] = SETTINGS["as_of"]
    CANDLE = candle_id(last_close(clock.now_ms(), SETTINGS["timeframe"]))
    CUTOFF = candle_id(
        runs.training_cutoff(SETTINGS["training_cutoff"], clock.now_ms(), SETTINGS["timeframe"])
    )
except ConfigError as error:
    if workflow.is_main_process and is_real_run():
        publish_config_failure(str(error), ROOT, os.environ, CONFIG_FILES, CONFIG_ARGUMENTS)
    print(f"configuration: {error}", file=sys.stderr)
    sys.exit(error.exit_code)

STATE_DIR = SETTINGS["state_dir"] or str(ROOT)
LAYOUT = Layout.of(SETTINGS)
SYMBOLS = [symbol_to_path(symbol) for symbol in SETTINGS["symbols"]]
LIVE = LAYOUT.live("{candle}")
TRAINING = LAYOUT.training("{cutoff}", "{symbol}")
# Whole paths: Snakemake has left the state folder again when the run is closed.
LAYOUT_IN_STATE = LAYOUT.below(Path(STATE_DIR))
RUN = runs.Run(
    LAYOUT_IN_STATE,
    SETTINGS,
    CANDLE,
    CUTOFF,
    {
        "git_commit": git_commit(ROOT),
        "code_sha256": code_sha256(*ROOT.glob("scripts/*.py")),
        "config_sha256": runs.config_sha256(SETTINGS),
    },
    logger,
)

# What jobs need to know and what must not make them stale reaches them by the environment:
# where files lie, and what the run was made with.
# Jobs use the Python of this Snakemake, with its environment active or not.
os.environ.update(
    BOT_CRIPTO_FOLDERS=LAYOUT.to_json(),
    BOT_CRIPTO_PROVENANCE=canonical_json(RUN.provenance),
    BOT_CRIPTO_SCRIPTS=str(SCRIPTS),
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
)


wildcard_constraints:
    candle=r"\d{8}T\d{6}Z",
    cutoff=r"\d{8}T\d{6}Z",
    symbol=r"[A-Z0-9_-]+",
    kind="trend|return|risk|baseline",
    kinds="[a-z]+(-[a-z]+)*",
    fold=r"\d+|before",


def code(rule_name):
    """Content hash of the script of that name and of all that it imports from the package."""
    return code_sha256(SCRIPTS / f"{rule_name}.py")


def slice_of(*keys):
    """Those settings as text: what depends on them runs again when one of them changes."""
    return canonical_json({key: SETTINGS[key] for key in keys})


SOURCE_KEYS = (
    ["source", "source_name", "market", "timeframe", "symbols", "fill_candles"]
    + [k for k in SETTINGS if k.startswith("fetch_")]
    + {
        "simulated": ["simulated"],
        "archive": ["archive", "archive_symbol", "archive_timeframe"],
        "exchange": ["exchange", "exchange_base_url"],
    }[SETTINGS["source"]]
)


AFTER = []


def run_of(role, files, publishes=False, before=None, after=None):
    """Return the input function of a target: it opens the run before the DAG is decided on.

    A dry run, a graph or a job process opens nothing. What is opened is closed when the process
    ends, however it ends: no hook of Snakemake fires when there was nothing to do.

    `before(look)` is called first, in a dry run with True: then it changes nothing. `after(code)`
    is called when the run has been closed, with its exit code; its locks are still held.
    """

    def inputs(wildcards):
        looks = not workflow.executor_plugin or workflow.dryrun or workflow.touch
        if workflow.is_main_process and before is not None:
            before(looks)
        if workflow.is_main_process and not looks:
            first = not RUN.locks
            RUN.lock(role)
            RUN.publishes |= publishes
            if after is not None and after not in AFTER:
                AFTER.append(after)
            if first:
                atexit.register(close_run)
            if publishes and BOOTSTRAP and not RUN.may_train():
                BOOTSTRAP.clear()
            RUN.open()
        return files()

    return inputs


def close_run():
    """Publish what the run made; a failed symbol makes the exit code 1."""
    code = 1
    try:
        if workflow.dag is None:
            RUN.copies.clear()
        else:
            # where a step did not end well, what an earlier run made may still lie there
            for job in workflow.dag.needrun_jobs():
                for file in job.output:
                    RUN.copies.pop(Path(STATE_DIR) / file, None)
        code = RUN.close()
        for step in AFTER:
            step(code)
    except Exception:
        traceback.print_exc()
    if code:
        # at this point of the process sys.exit() no longer sets the exit code
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


KINDS = ("trend", "return", "risk", "baseline")
ALL_KINDS = "-".join(KINDS)

# Only a symbol that never had a version is trained on the way to a signal: so a candle that
# arrives never trains. One that is added later begins with the baseline. The steps below pass a
# failed download on as a reason, so that one bad symbol holds up no other.
BOOTSTRAP = runs.bootstrap_kinds(LAYOUT_IN_STATE, SETTINGS["symbols"], KINDS)


def history_files():
    """The history up to the last closed candle, for the target `fetch`."""
    return expand(LAYOUT.history(CANDLE, "{symbol}"), symbol=SYMBOLS)


def feature_files():
    return expand(LAYOUT.live(CANDLE) / "features" / "{symbol}.json", symbol=SYMBOLS)


def retrain_files():
    """Who is champion, and the evaluation; a symbol that is too young for one fails nothing."""
    files = published(("judgement.json", *EVALUATION), asked=False)
    return files + [LAYOUT.training(CUTOFF, symbol) / "registered.json" for symbol in SYMBOLS]


def signal_files():
    return [str(LAYOUT.live(CANDLE) / "signals.status.json")]


def champion_files(wildcards):
    """The champion files that exist, and the making of those that never did."""
    made = [
        str(champion_path(LAYOUT.models, symbol))
        for symbol in SETTINGS["symbols"]
        if champion_path(LAYOUT_IN_STATE.models, symbol).is_file()
    ]
    return made + [
        str(LAYOUT.training(CUTOFF, symbol_to_path(symbol)) / f"{'-'.join(kinds)}.adopted.json")
        for symbol, kinds in BOOTSTRAP.items()
    ]


DECISION_KEYS = sorted(
    {
        *("horizon_steps", "model_risk_vol_ref"),
        *("regime_adx_trend_min", "regime_atr_high_vol_pct"),
        *STATE_KEYS,
        *(POLICY_KEYS & set(SETTINGS)),
    }
)


EVALUATION = ("backtest.json", "backtest.html", "audit.json")


def published(reports, asked=True):
    """Those files at this cutoff; they are copied to the reports when the run has ended.

    `reports` are names of files that the evaluation makes for every symbol. Where they are asked
    for, a symbol that gives no result makes the run a failure.
    """
    made = [LAYOUT.training(CUTOFF, symbol) / file for symbol in SYMBOLS for file in reports]
    for file in made:
        publish_as(file, file.parent.name, file.name)
        if asked:
            RUN.asked.add((Path(STATE_DIR) / file).with_suffix(""))
    return made


def publish_as(made, symbol, name):
    """Have a file copied to the reports of a symbol when the run has ended."""
    folder = LAYOUT_IN_STATE.reports(symbol_from_path(symbol))
    RUN.copies[Path(STATE_DIR) / made] = folder / name


def evaluation_files():
    return published(EVALUATION)


def audit_files():
    return published(("audit.json",))


def tune_files():
    return published(("tuning.json",))


def scan_files():
    return published(("scan.json", "scan.html"))


def champion_sha256(symbol):
    """Hash of a symbol's champion file, empty without one: other models are measured anew."""
    path = champion_path(LAYOUT_IN_STATE.models, symbol_from_path(symbol))
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def drift_files():
    """The measurement of this candle; it is copied to the reports when the run has ended."""
    made = [
        LAYOUT.drift / CANDLE / f"{symbol}.{suffix}"
        for symbol in SYMBOLS
        for suffix in ("json", "html")
    ]
    for file in made:
        publish_as(file, file.stem, f"drift{file.suffix}")
    return made


SWITCHING = []


def switch_models(look):
    """Put the versions in use that the order of the target `rollback` names."""
    # here, for no other target needs it
    from bot_cripto.workflow.switching import Switching

    if not SWITCHING:
        SWITCHING.append(Switching(RUN))
    SWITCHING[0].switch(look)


def mirror_switched(code):
    """Let MLflow's registry follow the switch."""
    SWITCHING[0].mirror(code)


def prune_old(code):
    """Remove what is not kept, after a retrain that ended well."""
    # here, for no other target needs it
    from bot_cripto.workflow import switching

    switching.prune_old(RUN, code)
