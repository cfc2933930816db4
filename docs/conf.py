"""How Sphinx makes the site; ``make docs`` runs it. Nothing here needs a network."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import pyhrf

project = "PyHRF"
author = "The PyHRF developers"
release = version = pyhrf.__version__
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "from_code",
    "mathml",
    "project_pages",
]
exclude_patterns = ["_ext", "_static", "gallery"]

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

# `name` in a docstring is a link where such a page is, else a name.
default_role = "autolink"
autosummary_generate = False
autodoc_typehints = "none"  # the docstrings say types and shapes
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = "PyHRF"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_math_renderer = "mathml"
pygments_style = "friendly"
smartquotes_action = "D"  # dashes; a quote in a command is one that is typed

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",  # not in git
    "within_subsection_order": "FileNameSortKey",
    "reference_url": {"pyhrf": None},
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e6,  # the same scripts give the same site
}
