# Bot Cripto: from closed candles to signal.json.
#
# All results lie below the state folder (default: this checkout):
#   data/candles/SOURCE-TF/SYMBOL/            the candle store, by month; not a rule's output
#   data/live/SOURCE-TF/CANDLE/               candles, features and signals of one closed candle
#   data/history/SOURCE-TF/CUTOFF/            what a download of history found, by symbol
#   data/training/SOURCE-TF/CUTOFF/SYMBOL/    frozen snapshots, and what was trained on them
#   data/drift/SOURCE-TF/CANDLE/              whether the market has drifted, as of that candle
#   models/KIND/SYMBOL/VERSION/               immutable model versions
#   models/champion/SYMBOL.json               which versions are in use
#   logs/signal.json, logs/signals/           the published signals
#   logs/reports/SYMBOL/                      the backtest, out of sample, the leak alarms, the scan,
#                                             and who won the last comparison
#   logs/mlflow.db, logs/mlartifacts/         every training and every trial, for MLflow
#
# Targets: signal (the default), retrain, backtest, audit, tune, scan, drift, fetch, features,
# rollback, trend_model, return_model, risk_model. `snakemake -n TARGET` says what is stale and why.


include: "rules/common.smk"


workdir: STATE_DIR


report: "rules/report/workflow.rst"


onstart:
    runs.terminate_from_a_thread()


include: "rules/candles.smk"
include: "rules/features.smk"
include: "rules/training.smk"
include: "rules/signals.smk"
include: "rules/evaluation.smk"
include: "rules/scan.smk"
include: "rules/drift.smk"
include: "rules/rollback.smk"


rule signal:
    default_target: True
    input:
        run_of("signal", signal_files, publishes=True),


rule retrain:
    input:
        run_of("retrain", retrain_files, after=prune_old),


rule fetch:
    input:
        run_of("fetch", history_files),


rule features:
    input:
        run_of("signal", feature_files),


rule backtest:
    input:
        run_of("retrain", evaluation_files),


rule audit:
    input:
        run_of("retrain", audit_files),


rule scan:
    input:
        run_of("retrain", scan_files),


rule tune:
    input:
        run_of("retrain", tune_files),


rule drift:
    input:
        run_of("drift", drift_files),
