"""Builds the pages of this folder and those of the API into one site: `make docs`."""

from docutils.nodes import Element
from sphinx.addnodes import toctree
from sphinx.application import Sphinx

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


def setup(app: Sphinx) -> None:
    """Furo's tree of pages, made for each page, shows titles alone: Sphinx is not to copy the functions of all pages for it."""
    titles: dict[str, Element] = {}

    def use_titles(app, page, template, context, doctree):
        all_of_them, tree = app.env.tocs, context["toctree"]
        if not titles:
            titles.update((page, titles_of(contents)) for page, contents in all_of_them.items())

        def tree_of_titles(**options):
            app.env.tocs = titles
            try:
                return tree(**options)
            finally:
                app.env.tocs = all_of_them

        context["toctree"] = tree_of_titles

    app.connect("html-page-context", use_titles, priority=400)  # before the theme's


def titles_of(contents: Element) -> Element:
    """A page's contents without what is below its title but for other pages."""
    copy = contents.deepcopy()
    for title in copy:
        if len(title) > 1:
            title[1][:] = list(title.findall(toctree))
        if len(title) > 1 and not title[1].children:
            title.pop(1)
    return copy
