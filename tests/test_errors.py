"""What sentences for the user are made with."""

import pytest

from pyhrf.errors import counted


@pytest.mark.parametrize(
    ("number", "noun", "expected"),
    [
        (0, "scan", "0 scans"),
        (1, "scan", "1 scan"),
        (2, "scan", "2 scans"),
        (1, "batch", "1 batch"),
        (12, "batch", "12 batches"),
    ],
)
def test_counted__has_a_singular_for_one_alone(number, noun, expected):
    assert counted(number, noun) == expected
