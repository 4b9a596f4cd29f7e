# Signals: the champions' forecast, the decision, and the stamped signal of each symbol.


rule make_signals:
    input:
        rules.fetch_candles.output,
        rules.build_features.output,
        champions=champion_files,
    output:
        signals=expand(LIVE / "signals" / "{symbol}.json", symbol=SYMBOLS, allow_missing=True),
        status=LIVE / "signals.status.json",
    log:
        LIVE / "logs" / "make_signals.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(*DECISION_KEYS),
        # kill and pause make a new signal of the candle that is already judged
        switches=control.state(LAYOUT_IN_STATE.control),
        code=code("make_signals"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/make_signals.py --settings {params.settings:q}'
        " --candle {wildcards.candle} 2>&1 | tee {log:q}"
