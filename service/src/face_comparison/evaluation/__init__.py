"""Measures error rates on the user's own images: `face-comparison evaluate`. `run.py` ties the parts together.

`dataset` reads one folder per person, or a list of pairs. `enrollment` selects one face per image. `pair_counts` counts
the distances of all pairs. `intervals`, `error_rates`, `identification`, `strangers`, and `thresholds` compute
statistics from those counts. `report` and `record` write the results, and `calibration` turns them into a bundle. The
libraries that only an evaluation needs are installed by the extra `evaluate`.
"""
