"""``launch.py REPORT COMMAND ...``: run a command and write what it took, as JSON.

It imports little, so that its own memory is far below what it measures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

KILOBYTE = 1 if sys.platform == "darwin" else 1024

start = time.perf_counter()
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
cost = {
    "seconds": time.perf_counter() - start,
    "cpu": usage.ru_utime + usage.ru_stime,
    "peak": usage.ru_maxrss * KILOBYTE,
}
with open(sys.argv[1], "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes memory
    json.dump(cost, file)
code = os.waitstatus_to_exitcode(status)
child.returncode = code  # it is gone: nothing is left to wait for
sys.exit(abs(code))
