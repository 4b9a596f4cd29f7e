# Evaluation: the deployed decision and fills, walked over what the models have not seen.


rule backtest_symbol:
    input:
        snapshot=rules.build_snapshot.output,
    output:
        json=TRAINING / "backtest.json",
        html=TRAINING / "backtest.html",
    log:
        TRAINING / "logs" / "backtest_symbol.log",
    benchmark:
        TRAINING / "logs" / "backtest_symbol.benchmark.tsv"
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(
            *DECISION_KEYS, "training", "folds", "fill_candles", "simulated", "language"
        ),
        code=code("backtest_symbol"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/backtest_symbol.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --snapshot {input.snapshot:q} --output {output.json:q}"
        " 2>&1 | tee {log:q}"
