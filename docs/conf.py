"""Builds the pages of this folder and those of the API into one site: `make docs`."""

project = "HyperINR for ParaView"
author = copyright = "The HyperINR for ParaView authors"
extensions = ["myst_parser", "sphinx.ext.apidoc", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "README"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_heading_anchors = 3

napoleon_use_ivar = True
suppress_warnings = ["ref.python"]  # a short name that several classes have is no broken link

html_theme = "furo"
html_title = project

# one page for each module of the core, written anew by each build; what imports on a GPU alone is left out
apidoc_modules = [
    {
        "path": "../hyperinr_core",
        "destination": "api/",
        "exclude_patterns": ["**/triton*.py", "**/tcnn.py", "**/graph_loop.py"],
        "separate_modules": True,
        "module_first": True,
        "automodule_options": {"members", "show-inheritance", "ignore-module-all"},
    },
]
autodoc_member_order = "bysource"
autodoc_mock_imports = ["paraview"]
