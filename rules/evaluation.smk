# Evaluation: the models of each fold, the leak alarms, and the deployed decision and fills,
# walked over what the models have not seen.
FOLDS = [TRAINING / "folds" / f"{number}.json" for number in range(SETTINGS["folds"])]
TRIAL_KEYS = (*DECISION_KEYS, "history_days", "training", "folds", "fold_window", "fill_candles")


rule train_fold:
    input:
        snapshot=rules.build_snapshot.output,
    output:
        TRAINING / "folds" / "{fold}.json",
    log:
        TRAINING / "logs" / "train_fold_{fold}.log",
    benchmark:
        TRAINING / "logs" / "train_fold_{fold}.benchmark.tsv"
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of("horizon_steps", "training", "folds", "fold_window"),
        code=code("train_fold"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/train_fold.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --fold {wildcards.fold} --snapshot {input.snapshot:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule audit_symbol:
    input:
        snapshot=rules.build_snapshot.output,
        folds=FOLDS,
    output:
        TRAINING / "audit.json",
    log:
        TRAINING / "logs" / "audit_symbol.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of("source", "simulated", "timeframe", "horizon_steps", "training"),
        code=code("audit_symbol"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/audit_symbol.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --snapshot {input.snapshot:q} --folds {input.folds:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule walk_thresholds:
    input:
        snapshot=rules.build_snapshot.output,
        before=TRAINING / "folds" / "before.json",
        folds=FOLDS,
    output:
        TRAINING / "thresholds.json",
    log:
        TRAINING / "logs" / "walk_thresholds.log",
    benchmark:
        TRAINING / "logs" / "walk_thresholds.benchmark.tsv"
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(*DECISION_KEYS, "fill_candles"),
        code=code("walk_thresholds"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/walk_thresholds.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --snapshot {input.snapshot:q} --before {input.before:q}"
        " --folds {input.folds:q} --output {output:q} 2>&1 | tee {log:q}"


rule backtest_symbol:
    input:
        snapshot=rules.build_snapshot.output,
        folds=FOLDS,
        audit=rules.audit_symbol.output,
        thresholds=rules.walk_thresholds.output,
    output:
        json=TRAINING / "backtest.json",
        html=report(
            TRAINING / "backtest.html",
            caption="report/backtest.rst",
            category="Backtest",
            labels={"symbol": "{symbol}", "candles up to": "{cutoff}"},
        ),
    log:
        TRAINING / "logs" / "backtest_symbol.log",
    benchmark:
        TRAINING / "logs" / "backtest_symbol.benchmark.tsv"
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(
            *TRIAL_KEYS,
            "simulated",
            "language",
        ),
        code=code("backtest_symbol"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/backtest_symbol.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --snapshot {input.snapshot:q} --folds {input.folds:q}"
        " --audit {input.audit:q} --thresholds {input.thresholds:q} --output {output.json:q}"
        " 2>&1 | tee {log:q}"


rule tune_symbol:
    input:
        thresholds=rules.walk_thresholds.output,
    output:
        TRAINING / "tuning.json",
    log:
        TRAINING / "logs" / "tune_symbol.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(*TRIAL_KEYS),
        code=code("tune_symbol"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/tune_symbol.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --thresholds {input.thresholds:q} --output {output:q}"
        " 2>&1 | tee {log:q}"
