"""Formulas as MathML, which browsers draw by themselves: no script, no font, no network."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_NAME = re.compile(r"<mo>([A-Za-z]+)</mo>")


def _visit_inline(self: Any, node: nodes.math) -> None:
    self.body.append(_mathml(node, "inline"))
    raise nodes.SkipNode


def _visit_block(self: Any, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{_mathml(node, "block")}</div>\n')
    raise nodes.SkipNode


def _mathml(node: nodes.Element, display: str) -> str:
    formula = node.astext()
    try:
        made = str(convert(formula, display=display))
    except Exception as error:
        raise ExtensionError(f"the formula {formula!r} cannot be read: {error!r}") from error
    if unknown := re.search(r"\\[A-Za-z]+", made):
        raise ExtensionError(f"the formula {formula!r} has {unknown[0]}, which is not known")
    # "is distributed as" has room on both sides, the name of a function has none
    made = made.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>")
    return _NAME.sub(r'<mi mathvariant="normal">\1</mi>', made)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the renderer ``mathml``."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
