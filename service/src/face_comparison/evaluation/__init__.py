"""Error rates measured on the user's own people: `face-comparison evaluate`. `run.py` puts the parts together.

`dataset` reads a folder per person, or a list of pairs; `enrollment` finds one face per image; `pair_counts` counts the
distances of all pairs; `intervals`, `error_rates`, `identification`, `strangers` and `thresholds` are statistics of
those counts; `report` and `record` are what is written, `calibration` makes a bundle of it. The libraries that only an
evaluation needs come with the extra `evaluate`.
"""
