# The package for Spack: copy this file to packages/py_hyperinr/package.py of a repository of yours.
from spack.package import *
from spack_repo.builtin.build_systems.python import PythonPackage


class PyHyperinr(PythonPackage):
    """A few time steps in, one file that ParaView plays between them: HyperINR training and a ParaView reader."""

    homepage = "https://pypi.org/project/hyperinr/"
    pypi = "hyperinr/hyperinr-0.1.0.tar.gz"

    license("Apache-2.0")

    # the SHA-256 of the sdist, which tools/release.sh prints, stands here once it is uploaded
    version("0.1.0")

    variant("train", default=False, description="Train models, by PyTorch")
    variant("paraview", default=False, description="Bring ParaView along")

    depends_on("cxx", type="build")
    depends_on("cmake@3.18:", type="build")
    depends_on("ninja", type="build")
    depends_on("py-scikit-build-core@0.10:", type="build")

    depends_on("python@3.9:", type=("build", "run"))
    depends_on("py-numpy@1.22:", type=("build", "run"))
    depends_on("py-scipy@1.8:", type=("build", "run"))
    depends_on("py-safetensors@0.4.4:", type=("build", "run"))
    depends_on("py-zstandard@0.20:", type=("build", "run"))
    depends_on("py-click@8:", type=("build", "run"))
    depends_on("py-rich@12:", type=("build", "run"))
    depends_on("py-torch@2.2:", when="+train", type=("build", "run"))
    depends_on("paraview@5.10:+python", when="+paraview", type="run")

    # drawn by `hyperinr view`
    resource(
        name="vtk.js",
        url="https://registry.npmjs.org/vtk.js/-/vtk.js-37.3.1.tgz",
        sha256="e8585b74a457866e93db6ce1695532de802994356bbec39f109b11ff6d07a36f",
        expand=False,
        placement="vtk_js",
    )

    def config_settings(self, spec, prefix):
        archive = join_path(self.stage.source_path, "vtk_js", "vtk.js-37.3.1.tgz")
        return {"cmake.define.HYPERINR_VTK_JS": archive}
