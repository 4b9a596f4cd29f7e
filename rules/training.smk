# Training: a frozen snapshot, one model of each kind, their record, and who becomes champion.
# It shares no file with the live path but the champion file.


rule build_snapshot:
    input:
        history=LAYOUT.history("{cutoff}", "{symbol}"),
    output:
        TRAINING / "snapshot.parquet",
    log:
        TRAINING / "logs" / "build_snapshot.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(
            "market",
            "timeframe",
            "history_days",
            "horizon_steps",
            "fill_candles",
            "training",
        ),
        code=code("build_snapshot"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/build_snapshot.py --settings {params.settings:q}'
        " --cutoff {wildcards.cutoff} --symbol {wildcards.symbol} --history {input.history:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule train_model:
    input:
        history=LAYOUT.history("{cutoff}", "{symbol}"),
        snapshot=rules.build_snapshot.output,
    output:
        TRAINING / "{kind}.json",
    log:
        TRAINING / "logs" / "train_{kind}.log",
    benchmark:
        TRAINING / "logs" / "train_{kind}.benchmark.tsv"
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of("source_name", "timeframe", "horizon_steps", "training"),
        code=code("train_model"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/train_model.py --settings {params.settings:q}'
        " --cutoff {wildcards.cutoff} --symbol {wildcards.symbol} --kind {wildcards.kind}"
        " --history {input.history:q} --snapshot {input.snapshot:q} --code-sha256 {params.code}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule record_training:
    input:
        lambda wildcards: expand(
            TRAINING / "{kind}.json",
            kind=wildcards.kinds.split("-"),
            allow_missing=True,
        ),
    output:
        TRAINING / "{kinds}.mlflow.json",
    log:
        TRAINING / "logs" / "record_training_{kinds}.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of("source_name", "timeframe", "horizon_steps", "training"),
        code=code("record_training"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/record_training.py'
        " --settings {params.settings:q} --cutoff {wildcards.cutoff} --symbol {wildcards.symbol}"
        " --kinds {wildcards.kinds} --output {output:q} 2>&1 | tee {log:q}"


# A symbol is judged alone, whichever others there are, and live or not.
JUDGE_KEYS = sorted({*DECISION_KEYS, "fill_candles", "promotion"} - {"symbols", "live_mode"})


rule judge_challenger:
    input:
        record=TRAINING / f"{ALL_KINDS}.mlflow.json",
        snapshot=rules.build_snapshot.output,
        audit=TRAINING / "audit.json",
    output:
        TRAINING / "judgement.json",
    log:
        TRAINING / "logs" / "judge_challenger.log",
    benchmark:
        TRAINING / "logs" / "judge_challenger.benchmark.tsv"
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(*JUDGE_KEYS),
        code=code("judge_challenger"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/judge_challenger.py'
        " --settings {params.settings:q} --symbol {wildcards.symbol}"
        " --record {input.record:q} --snapshot {input.snapshot:q} --audit {input.audit:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule register_training:
    input:
        record=TRAINING / f"{ALL_KINDS}.mlflow.json",
        judgement=rules.judge_challenger.output,
        backtest=TRAINING / "backtest.json",
    output:
        TRAINING / "registered.json",
    log:
        TRAINING / "logs" / "register_training.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of("source_name", "timeframe", "horizon_steps", "language"),
        code=code("register_training"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/register_training.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --record {input.record:q} --judgement {input.judgement:q}"
        " --backtest {input.backtest:q} --output {output:q} 2>&1 | tee {log:q}"


rule adopt_models:
    input:
        record=TRAINING / "{kinds}.mlflow.json",
    output:
        TRAINING / "{kinds}.adopted.json",
    log:
        TRAINING / "logs" / "adopt_models_{kinds}.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of("source_name", "timeframe", "horizon_steps"),
        code=code("adopt_models"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/adopt_models.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --record {input.record:q} --output {output:q} 2>&1 | tee {log:q}"


for kind in ("trend", "return", "risk"):

    rule:
        name:
            f"{kind}_model"
        input:
            run_of(
                "retrain",
                lambda kind=kind: expand(
                    LAYOUT.training(CUTOFF, "{symbol}") / f"{kind}.adopted.json",
                    symbol=SYMBOLS,
                ),
            ),
