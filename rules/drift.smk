# Drift: is the market still the one that the models learnt from? It reads candle store, journal
# and champion file as they are: it fetches nothing, and no rule makes what it reads.


rule measure_drift:
    output:
        json=LAYOUT.drift / "{candle}" / "{symbol}.json",
        html=LAYOUT.drift / "{candle}" / "{symbol}.html",
    log:
        LAYOUT.drift / "{candle}" / "logs" / "{symbol}.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(
            *DECISION_KEYS,
            "source_name",
            "market",
            "timeframe",
            "fill_candles",
            "drift",
            "language",
        ),
        champion=lambda wildcards: champion_sha256(wildcards.symbol),
        code=code("measure_drift"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/measure_drift.py --settings {params.settings:q}'
        " --candle {wildcards.candle} --symbol {wildcards.symbol} --output {output.json:q}"
        " 2>&1 | tee {log:q}"
