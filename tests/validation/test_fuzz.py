"""Mutated files, some hundred for each reader; ``python -m validation.fuzz`` tries more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from validation import fuzz as fuzzing
from validation.fuzz_readers import READERS

ROOT = Path(__file__).resolve().parents[2]


def test_readers__stand_mutated_files() -> None:
    # A program of its own, since each reader works in a copy of the process.
    done = subprocess.run(
        [sys.executable, "-m", "validation.fuzz", "--inputs", "300"],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert done.stderr.count("300 inputs") == len(READERS)


_FEIGNED = """
import os, signal, sys, time
from pathlib import Path
from pyhrf.errors import InputError
from validation import fuzz
from validation.fuzz_readers import Reader

def read(path):
    first = path.read_bytes()[:1]
    if first == b"A":
        return
    if how == "refuse":
        raise InputError("a sentence")
    if how == "raise":
        raise KeyError("x" * 2000)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hang":
        time.sleep(60)
    if how == "fill":
        bytearray(2 << 30)

def make(folder):
    (folder / "a").write_bytes(b"AAAA")
    return Reader([folder / "a"], read, may_crash=bool(more))

fuzz.SECONDS = 0.3
fuzz.READERS["feigned"] = make
for each in sys.argv[1:]:
    how, _, more = each.partition(" ")
    print(len([f for f in fuzz.fuzz(["feigned"], 12, 1)]))
"""


def test_fuzz__finds_what_is_no_sentence() -> None:
    finds = {"refuse": False, "raise": True, "crash": True, "fill": True, "hang": True}
    finds["crash allowed"] = False
    done = subprocess.run(
        [sys.executable, "-c", _FEIGNED, *finds],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [int(line) > 0 for line in done.stdout.splitlines()]
    assert dict(zip(finds, found, strict=True)) == finds


def test_mutated__gives_the_same_for_the_same_seed_and_damages_most() -> None:
    whole = bytes(range(256)) * 4
    once, again = (
        [fuzzing.mutated(whole, np.random.default_rng([7, k])) for k in range(200)]
        for _ in range(2)
    )
    assert once == again
    assert sum(one != whole for one in once) > 190
    assert len(set(once)) > 190
