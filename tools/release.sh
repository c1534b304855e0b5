#!/bin/bash
# Builds and tests what a release would upload, from what is committed, and lists it with its SHA-256. Uploads nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
[[ -z $(git status --porcelain) ]] || { echo "There are changes that are not committed; commit them first" >&2; exit 1; }
grep -q "^## $version" CHANGELOG.md || { echo "CHANGELOG.md has no heading '## $version'; expected what this release brings" >&2; exit 1; }
rm -rf dist
make test
make wheels
.venv/bin/python -m build --sdist --no-isolation --outdir dist .
.venv/bin/twine check --strict dist/*
echo "Version $version; what would be uploaded:"
sha256sum dist/*
echo "Next: git tag v$version, twine upload dist/*, and the archive's SHA-256 in packaging/conda/recipe.yaml and packaging/spack/package.py"
