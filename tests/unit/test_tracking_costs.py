from bot_cripto.tracking.costs import read_costs, system_metrics

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def put(folder, step, text):
    (folder / f"{step}.benchmark.tsv").write_text(text)


def row(wall, peak, cpu):
    return f"{HEAD}{wall}\t0:00:01\t{peak}\t1492.64\t1\t1\t0.2\t0.8\t43.9\t{cpu}\n"


def test_the_folds_are_one_step_and_the_whole_is_all_of_them(tmp_path):
    put(tmp_path, "train_fold_0", row(10, 200, 5))
    put(tmp_path, "train_fold_13", row(20, 300, 6))
    put(tmp_path, "train_fold_before", row(30, 250, 7))
    put(tmp_path, "train_trend", row(4.5, 150.25, 3.5))
    assert system_metrics(read_costs(tmp_path)) == {
        "system/job_seconds": 64.5,
        "system/cpu_seconds": 21.5,
        "system/peak_memory_mb": 300.0,
        "system/train_fold.job_seconds": 60.0,
        "system/train_fold.cpu_seconds": 18.0,
        "system/train_fold.peak_memory_mb": 300.0,
        "system/train_trend.job_seconds": 4.5,
        "system/train_trend.cpu_seconds": 3.5,
        "system/train_trend.peak_memory_mb": 150.25,
    }


def test_what_was_too_short_to_be_measured_is_left_out(tmp_path):
    put(tmp_path, "train_baseline", row(0.4, "NA", "-"))
    assert system_metrics(read_costs(tmp_path), by_step=False) == {"system/job_seconds": 0.4}


def test_broken_files_fail_nobody(tmp_path):
    put(tmp_path, "empty", "")
    put(tmp_path, "cut", HEAD)
    put(tmp_path, "half", "s\th:m:s\n3.5\n")
    (tmp_path / "bytes.benchmark.tsv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder.benchmark.tsv").mkdir()
    assert system_metrics(read_costs(tmp_path)) == {
        "system/job_seconds": 3.5,
        "system/half.job_seconds": 3.5,
    }
    assert read_costs(tmp_path / "missing") == []
    assert system_metrics([]) == {}
