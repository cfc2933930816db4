"""Make the virtual environment ``.venv`` of this checkout and install PyHRF into it.

``python3 tools/bootstrap.py [GROUP ...]`` installs the package (editable) and the named dependency
groups of pyproject.toml. When all is there already it ends at once; an installation that was
interrupted is made anew.

This file is written for old Pythons too, so that these can say that they are too old.
"""

import os
import sys

OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")


def main():
    """Install with this Python or a newer one on the PATH; return the exit status."""
    if sys.version_info >= OLDEST:
        import environment

        return environment.main(sys.argv[1:])
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        for name in NEWER:
            path = os.path.join(folder, name)  # noqa: PTH118 - pathlib is not in every old Python
            if os.access(path, os.X_OK):
                os.execv(path, [path] + sys.argv)  # noqa: RUF005 - not in every old Python
    sys.stderr.write(
        "Error: PyHRF needs Python 3.11 or newer, this is {}.{}.{} and no newer one is on the "
        "PATH; install one, or name it with `make PYTHON=/path/to/python3`.\n".format(
            *sys.version_info
        )
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
