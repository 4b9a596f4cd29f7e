# Evaluation: the forecasts, measured walk-forward on what their models have not seen.


rule evaluate_forecasts:
    input:
        snapshot=LAYOUT.training(CUTOFF, "{symbol}") / "snapshot.parquet",
    output:
        LAYOUT.logs / "reports" / "{symbol}" / "forecasts.json",
    log:
        LAYOUT.logs / "reports" / "{symbol}" / "evaluate_forecasts.log",
    benchmark:
        LAYOUT.logs / "reports" / "{symbol}" / "evaluate_forecasts.benchmark.tsv"
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of("source_name", "timeframe", "horizon_steps", "training", "folds"),
        code=code("evaluate_forecasts"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/evaluate_forecasts.py'
        " --settings {params.settings:q} --symbol {wildcards.symbol} --snapshot {input.snapshot}"
        " --output {output} 2>&1 | tee {log}"
