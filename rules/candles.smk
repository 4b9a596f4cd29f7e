# Candles: the window of the last closed candle, and the download of history.


rule fetch_candles:
    output:
        candles=expand(LIVE / "candles" / "{symbol}.parquet", symbol=SYMBOLS, allow_missing=True),
        quality=expand(
            LIVE / "candles" / "{symbol}.quality.json",
            symbol=SYMBOLS,
            allow_missing=True,
        ),
    log:
        LIVE / "logs" / "fetch_candles.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(*SOURCE_KEYS),
        code=code("fetch_candles"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/fetch_candles.py --settings {params.settings:q}'
        " --candle {wildcards.candle} 2>&1 | tee {log:q}"


rule fetch_history:
    output:
        expand(LAYOUT.history("{cutoff}", "{symbol}"), symbol=SYMBOLS, allow_missing=True),
    log:
        LAYOUT.history("{cutoff}", "fetch_history").with_suffix(".log"),
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(*SOURCE_KEYS, "history_days"),
        code=code("fetch_history"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/fetch_history.py --settings {params.settings:q}'
        " --cutoff {wildcards.cutoff} 2>&1 | tee {log:q}"
