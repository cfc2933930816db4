"""What messages about BIDS data sets call what can be given, by the command and from Python."""

from __future__ import annotations

_OF_RUNS = {"condition_file": "events files have a header"} | {
    "tr": "RepetitionTime in the JSON file of the run"
}

OPTIONS = _OF_RUNS | {
    "output": "OUT_DIR",
    # It would begin anew with everyone.
    "fresh": "--fresh, for a few participants with --participant-label,",
    "bids_dir": "BIDS_DIR",
    "derivatives": "--derivatives",
    "desc": "--desc {name}",
    "mesh": "--mesh",
    "no_confounds": "--confound-columns none",
    "parcellation": "--parcellation",
    "run": "--run",
    "session": "--session-label",
    "single_file": "give the file to pyhrf_jde_buildcfg, with the mesh (-g)",
    "skip_validation": "--skip-bids-validation",
    "space": "--space",
    "space_of_name": "--space {name}",
    "event_column": "--event-column",
    "amplitude_column": "--amplitude-column",
    "pool_simultaneous": "--pool-simultaneous",
    "single_trials": "--single-trials",
}
"""Of ``pyhrf bids``."""

ARGUMENTS = _OF_RUNS | {
    "bids_dir": "dataset_path",
    "derivatives": "derivatives_folder",
    "desc": 'img_filters=[("desc", "{name}")]',
    "mesh": "meshes of the model",
    "no_confounds": 'confound_columns="none" of the model',
    "parcellation": "parcellation of the model",
    "run": 'img_filters=[("run", …)]',
    "session": '[("ses", …)]',
    "single_file": "fit a model to the file, with its meshes",
    "skip_validation": "validate=False",
    "space": "space_label",
    "space_of_name": 'space_label="{name}"',
    "event_column": "event_column of the model",
    "amplitude_column": "amplitude_column of the model",
    "pool_simultaneous": 'simultaneous="pooled" of the model',
    "single_trials": "single_trials of the model",
}
"""Of `pyhrf.jde_from_bids`."""
