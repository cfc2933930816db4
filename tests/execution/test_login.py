"""A user whom the machine does not know, as in a container without an entry of passwd."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

NOBODY = 54_321


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_login_name__of_a_user_without_a_name_is_a_sentence():
    code = (
        "import os\n"
        "from pyhrf.errors import EngineError\n"
        "from pyhrf.execution.login import login_name\n"
        "from pyhrf.estimators.kernel_cache import cache_folder\n"
        f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "print(cache_folder().is_absolute())\n"
        "try:\n    login_name()\nexcept EngineError as error:\n    print(error)\n"
        "os.environ['USER'] = 'me'\nprint(login_name())\n"
    )
    unset = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    absolute, said, name = done.stdout.splitlines()
    assert (absolute, name) == ("True", "me")
    assert "export USER=NAME" in said
