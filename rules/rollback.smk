# Rolling back: other versions in use at once, then the signal of the last closed candle by them.


rule rollback:
    input:
        run_of("signal", signal_files, publishes=True, before=switch_models, after=mirror_switched),
