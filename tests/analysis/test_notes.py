"""Notes of many studies."""

from pathlib import Path

from pyhrf.analysis.notes import alike
from pyhrf.notices import Note


def test_alike__what_all_have_is_told_once():
    names = [f"sub-{k:02}_task-x" for k in range(1, 13)]
    form = "{path}: header says TR 2 s"
    told = alike((name, Note(form, path=Path(f"/d/{name[:6]}/bold.nii"))) for name in names)
    first = "sub-01_task-x: note: /d/sub-01/bold.nii: header says TR 2 s"
    assert told == [f"{first} (11 others have such a note)"]


def test_alike__figures_are_those_of_the_first():
    form = "{n} of 90 scans censored ({percent:.1f} %)"
    told = alike((f"sub-{k}", Note(form, n=k, percent=k / 0.9)) for k in (3, 5, 7))
    assert told == [
        "sub-3: note: 3 of 90 scans censored (3.3 %) (2 others have such a note, with figures of "
        "their own)"
    ]


def test_alike__other_notes_and_several_of_one_study_stay():
    notes = [("sub-a", "run 1 is short"), ("sub-a", "run 2 is short"), ("sub-b", "no mask")]
    assert alike(notes) == [f"{name}: note: {note}" for name, note in notes]
    assert alike([]) == []


def test_alike__a_note_about_another_condition_is_another_note():
    notes = [("sub-a", Note("no {name}", name="audio")), ("sub-b", Note("no {name}", name="video"))]
    assert alike(notes) == ["sub-a: note: no audio", "sub-b: note: no video"]
