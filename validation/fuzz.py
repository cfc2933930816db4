"""Mutated files for every reader: ``python -m validation.fuzz``.

A reader may take a damaged file or refuse it in a sentence (a `PyhrfError`). It may not fail in any
other way, work on it for more than ten seconds, or take a gigabyte of memory. Each input follows
from the seed, the reader and its number, so that a finding can be made again.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from pyhrf.errors import PyhrfError
from validation.fuzz_readers import READERS, Reader

__all__ = ["Finding", "fuzz", "main", "mutated"]

SECONDS = 10.0
PATIENCE = 0.2
"""Seconds of the processor for a reader that the program itself runs in a process with limits.

To need more of it is no finding; a whole file takes some thousandths.
"""
MEMORY = 1 << 30
_NASTY = (
    *(b"nan", b"inf", b"-1", b"0", b"1e999", b"9" * 5000, b"-9223372036854775808", b"4294967296"),
    *(
        b"\0",
        b"\xff",
        b"\x1b[2J",
        b"\t",
        b"\n",
        b"\r",
        b",",
        b'"',
        b"<",
        b">",
        b"&",
        b"{",
        b"[",
        b"]",
    ),
    *(b"n/a", b"null", b"true", b"../", b"\xef\xbb\xbf", "é".encode(), b"e\xcc\x81"),
)
_NUMBERS = (0, 1, -1, 127, 255, 32767, 65535, 2**31 - 1, -(2**31), 2**32 - 1)


@dataclass(frozen=True)
class Finding:
    """An input that a reader did not stand."""

    reader: str
    number: int
    what: str


def mutated(whole: bytes, random: np.random.Generator) -> bytes:
    """Damage a file in one to four places."""
    data = bytearray(whole)
    for _ in range(random.integers(1, 5)):
        if not data:
            break
        # The beginning, where headers are, as often as all the rest.
        most = len(data) if random.random() < 0.5 else min(len(data), 600)
        place = int(random.integers(most))
        match random.integers(9):
            case 0:
                data[place] ^= 1 << int(random.integers(8))
            case 1:
                data[place] = int(random.integers(256))
            case 2:
                del data[place:]
            case 3:
                del data[place : place + int(random.integers(1, 40))]
            case 4:
                data[place:place] = data[place : place + int(random.integers(1, 200))]
            case 5:
                data[place:place] = _NASTY[random.integers(len(_NASTY))]
            case 6:
                number = _NUMBERS[random.integers(len(_NUMBERS))]
                form = ("<i", ">i")[random.integers(2)]
                data[place : place + 4] = struct.pack(form, (number + 2**31) % 2**32 - 2**31)
            case 7:
                value = (np.nan, np.inf, -np.inf, 1e38, -1e-38)[random.integers(5)]
                data[place : place + 4] = struct.pack(("<f", ">f")[random.integers(2)], value)
            case _:
                _replace_a_word(data, place, random)
    return bytes(data)


def _replace_a_word(data: bytearray, place: int, random: np.random.Generator) -> None:
    """Put something nasty in the place of a word or number of a text."""
    word = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
    first = last = place
    while first > 0 and data[first - 1] in word and place - first < 40:
        first -= 1
    while last < len(data) and data[last] in word and last - place < 40:
        last += 1
    data[first:last] = _NASTY[random.integers(len(_NASTY))]


def fuzz(names: list[str], n_inputs: int, seed: int) -> Iterator[Finding]:
    """Give mutated inputs to readers, in processes of their own."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for name in names:
            here = Path(folder) / name
            here.mkdir()
            reader = READERS[name](here)
            _refuse_a_bad_start(reader, name)
            yield from _fuzz_one(name, reader, n_inputs, seed)


def _refuse_a_bad_start(reader: Reader, name: str) -> None:
    """See that the whole file is read: otherwise nothing is tried."""
    for path in reader.files:
        reader.read(path)
    if not reader.files:
        raise ValueError(f"{name} has no file")


def _fuzz_one(name: str, reader: Reader, n_inputs: int, seed: int) -> Iterator[Finding]:
    """Restart the process after each input that ended it."""
    place = mmap.mmap(-1, 16)  # the number of the input that is being read, and since when
    first = 0
    while first < n_inputs:
        place[:] = struct.pack("qd", first, time.monotonic())
        with tempfile.TemporaryFile() as said:
            child = os.fork()
            if child == 0:
                _work(reader, name, first, n_inputs, seed, place, said.fileno())
            hung = _wait(child, place)
            said.seek(0)
            for line in filter(None, said.read().decode("utf-8", "replace").split("\0")):
                number, _, what = line.partition(" ")
                yield Finding(name, int(number), what)
        at = struct.unpack("qd", place)[0]
        if hung == "":
            return
        if not reader.may_crash:
            yield Finding(name, at, hung)
        first = at + 1


def _work(
    reader: Reader, name: str, first: int, last: int, seed: int, place: mmap.mmap, out: int
) -> None:
    """Read the inputs, in a process that ends here."""
    limit = MEMORY + int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    wholes = [path.read_bytes() for path in reader.files]
    for number in range(first, last):
        place[:] = struct.pack("qd", number, time.monotonic())
        key = [seed, number, *name.encode()]
        random = np.random.default_rng(key)
        which = int(random.integers(len(wholes)))
        path = reader.files[which]
        path.write_bytes(reader.packed(mutated(reader.plain(wholes[which]), random)))
        if reader.may_crash:
            signal.setitimer(signal.ITIMER_PROF, PATIENCE)  # ends this process
        try:
            reader.read(path)
        except PyhrfError:
            pass
        except BaseException:
            text = traceback.format_exc().replace("\0", "")
            os.write(out, f"{number} {text[-1500:]}\0".encode(errors="replace"))
        path.write_bytes(wholes[which])
    os._exit(0)


def _wait(child: int, place: mmap.mmap) -> str:
    """Wait for a process; say what was wrong with its end, empty if nothing was."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return "" if code == 0 else f"ended by signal {-code}"
        _, since = struct.unpack("qd", place)
        if time.monotonic() - since > SECONDS:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"took more than {SECONDS:g} s"
        time.sleep(0.01)


@click.command(context_settings={"show_default": True})
@click.option("--inputs", default=20_000, type=click.IntRange(1), help="Inputs of each reader.")
@click.option("--readers", default=",".join(READERS), help="Names, with commas between.")
@click.option("--seed", default=0, type=click.IntRange(0))
def main(inputs: int, readers: str, seed: int) -> None:
    """Give mutated files to all readers; exit 1 if one fails otherwise than by a sentence."""
    n_findings = 0
    for name in readers.split(","):
        started = time.monotonic()
        found = list(fuzz([name], inputs, seed))
        n_findings += len(found)
        seconds = time.monotonic() - started
        click.echo(f"{name:12} {inputs} inputs, {seconds:.1f} s, {len(found)} findings", err=True)
        seen: set[str] = set()
        for finding in found:
            last = finding.what.strip().splitlines()[-3:]
            if (short := " | ".join(line.strip() for line in last)) not in seen:
                seen.add(short)
                click.echo(f"--- {finding.reader}, input {finding.number}\n{finding.what}")
    sys.exit(1 if n_findings else 0)


if __name__ == "__main__":
    main()
