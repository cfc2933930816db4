"""Notes of many studies."""

from pyhrf.analysis.notes import alike


def test_alike__what_all_have_is_told_once():
    names = [f"sub-{k:02}_task-x" for k in range(1, 13)]
    told = alike((name, f"/d/{name[:6]}/bold.nii: header says TR 2 s") for name in names)
    first = "sub-01_task-x: note: /d/sub-01/bold.nii: header says TR 2 s"
    assert told == [f"{first} (11 others have such a note)"]


def test_alike__figures_are_those_of_the_first():
    told = alike((f"sub-{k}", f"{k} of 90 scans censored ({k / 0.9:.1f} %)") for k in (3, 5, 7))
    assert told == [
        "sub-3: note: 3 of 90 scans censored (3.3 %) (2 others have such a note, with figures of "
        "their own)"
    ]


def test_alike__other_notes_and_several_of_one_study_stay():
    notes = [("sub-a", "run 1 is short"), ("sub-a", "run 2 is short"), ("sub-b", "no mask")]
    assert alike(notes) == [f"{name}: note: {note}" for name, note in notes]
    assert alike([]) == []
