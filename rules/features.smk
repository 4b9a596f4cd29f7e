# Features: finite-window functions of the candle window, one row per symbol.


rule build_features:
    input:
        rules.fetch_candles.output,
    output:
        features=expand(LIVE / "features" / "{symbol}.parquet", symbol=SYMBOLS, allow_missing=True),
        status=expand(LIVE / "features" / "{symbol}.json", symbol=SYMBOLS, allow_missing=True),
    log:
        LIVE / "logs" / "build_features.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of("symbols", "timeframe"),
        code=code("build_features"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/build_features.py --settings {params.settings:q}'
        " --candle {wildcards.candle} 2>&1 | tee {log:q}"
