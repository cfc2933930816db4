"""Runs ``soma_workflow_gui`` as it is, opens the first workflow that it lists, takes a picture.

``python gui_driver.py PROGRAM PICTURE OPTION ...`` prints one JSON line with what the windows show.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Iterator

from PyQt5 import QtCore, QtWidgets

_EVERY = 500  # milliseconds
_PATIENCE = 120  # looks
_SETTLE = 4  # looks after which all is drawn

_original_exec = QtWidgets.QApplication.exec


class Onlooker:
    """Looks at the windows of a program now and then, and ends it when it has seen enough.

    Parameters
    ----------
    picture : str
        File for the screen.
    """

    def __init__(self, picture: str) -> None:
        self.picture = picture
        self._out = os.fdopen(os.dup(1), "w")
        self._n_looks = self._n_seen = 0
        self._timer: QtCore.QTimer | None = None

    def watch(self, *_: object) -> int:
        """Take the place of ``QApplication.exec``."""
        self._timer = QtCore.QTimer()
        self._timer.timeout.connect(self.look)
        self._timer.start(_EVERY)
        return int(_original_exec())

    def look(self) -> None:
        """Choose our workflow; when its jobs are shown for a while, tell and end."""
        self._n_looks += 1
        windows = [w for w in QtWidgets.QApplication.topLevelWidgets() if w.isVisible()]
        lists = [each for w in windows for each in w.findChildren(QtWidgets.QListWidget)]
        trees = [each for w in windows for each in w.findChildren(QtWidgets.QTreeView)]
        workflows = [each.item(i).text() for each in lists for i in range(each.count())]
        for each in lists:
            for i in range(each.count()):
                if each.item(i).text().startswith("pyhrf") and not each.item(i).isSelected():
                    each.setCurrentRow(i)
        models = [tree.model() for tree in trees if tree.model() is not None]
        shown = [text for model in models for text in _texts(model, QtCore.QModelIndex())]
        self._n_seen += bool(shown)
        for tree in trees:
            tree.expandAll()
        if self._n_seen <= _SETTLE and self._n_looks < _PATIENCE:
            return
        screen = QtWidgets.QApplication.primaryScreen().grabWindow(0)
        screen.save(self.picture)
        titles = [w.windowTitle() for w in windows]
        about = {"windows": titles, "workflows": workflows, "shown": shown}
        self._out.write(json.dumps(about) + "\n")
        self._out.flush()
        os._exit(0)


def _texts(model: QtCore.QAbstractItemModel, parent: QtCore.QModelIndex) -> Iterator[str]:
    """Give all that a tree shows, from the root down."""
    for row in range(model.rowCount(parent)):
        index = model.index(row, 0, parent)
        yield str(model.data(index, QtCore.Qt.DisplayRole))
        yield from _texts(model, index)


if __name__ == "__main__":
    program, picture, *options = sys.argv[1:]
    QtWidgets.QApplication.exec = Onlooker(picture).watch
    sys.argv = [program, *options]
    runpy.run_path(program, run_name="__main__")
