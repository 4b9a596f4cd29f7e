# Scan: where is there an edge? Every timeframe and horizon of the setting `scan` is a job of its
# own, measured at every cost; together they make one recommendation for each symbol.
from bot_cripto.backtest.scan.grid import scan_grid

SCAN = scan_grid(SETTINGS)
SCAN_KEYS = (
    *(key for key in DECISION_KEYS if key != "symbols"),
    *("history_days", "training", "folds", "fold_window", "fill_candles"),
)


rule scan_cell:
    input:
        snapshot=rules.build_snapshot.output,
    output:
        TRAINING / "scan" / "{timeframe}_{horizon}.json",
    log:
        TRAINING / "logs" / "scan_cell_{timeframe}_{horizon}.log",
    benchmark:
        TRAINING / "logs" / "scan_cell_{timeframe}_{horizon}.benchmark.tsv"
    wildcard_constraints:
        timeframe="|".join(SCAN.timeframes),
        horizon=r"\d+",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(*SCAN_KEYS, "simulated"),
        cost_shares=SCAN.cost_shares,
        code=code("scan_cell"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/scan_cell.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --timeframe {wildcards.timeframe}"
        " --horizon {wildcards.horizon} --cost-shares {params.cost_shares}"
        " --snapshot {input.snapshot:q} --output {output:q}"
        " 2>&1 | tee {log:q}"


rule scan_symbol:
    input:
        cells=[
            TRAINING / "scan" / f"{timeframe}_{horizon}.json" for timeframe, horizon in SCAN.cells
        ],
    output:
        json=TRAINING / "scan.json",
        html=TRAINING / "scan.html",
    log:
        TRAINING / "logs" / "scan_symbol.log",
    conda:
        "../envs/environment.yaml"
    params:
        settings=slice_of(*SCAN_KEYS, "scan", "language"),
        code=code("scan_symbol"),
    shell:
        'python3 "$BOT_CRIPTO_SCRIPTS"/scan_symbol.py --settings {params.settings:q}'
        " --symbol {wildcards.symbol} --cells {input.cells:q} --output {output.json:q}"
        " 2>&1 | tee {log:q}"
