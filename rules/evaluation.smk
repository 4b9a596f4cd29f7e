# Evaluation: the forecasts, measured walk-forward on what their models have not seen.


rule evaluate_forecasts:
    input:
        snapshot=rules.build_snapshot.output,
    output:
        TRAINING / "forecasts.json",
    log:
        TRAINING / "logs" / "evaluate_forecasts.log",
    benchmark:
        TRAINING / "logs" / "evaluate_forecasts.benchmark.tsv"
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of("source_name", "timeframe", "horizon_steps", "training", "folds"),
        code=code("evaluate_forecasts"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/evaluate_forecasts.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --snapshot {input.snapshot:q} --output {output:q}"
        " 2>&1 | tee {log:q}"
