"""HyperINR Writer: File > Save Data as `.hinr`. It pulls the pipeline's steps, and trains on them in another process.

As in `source.py`, everything but VTK is imported where it is used: a module that fails to import takes ParaView's GUI down.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline

from hyperinr.filters.reporting import Reporting, tell

#: The model's name while it is in the making.
MODEL = "model.hinr"

#: The steps that were pulled.
SERIES = "series.pvd"

#: Shares of the progress bar: what each part of the work begins and ends at.
PULLING = "reading step"
PARTS = {PULLING: (0.0, 0.1), "training": (0.3, 1.0)}
TEACHING = (0.1, 0.3)


class HyperINRWriter(Reporting, VTKPythonAlgorithmBase):
    """Trains a model on all time steps of an image.

    Under MPI the first rank gathers each step from all of them, and trains.
    """

    LABEL = "HyperINR Writer"

    def __init__(self) -> None:
        super().__init__(nInputPorts=1, nOutputPorts=0, inputType="vtkImageData")
        self._file_name = ""
        self._settings = {"preset": "default", "teacher": "auto", "device": "auto"}
        self._samples, self._every, self._seed = 0, 1, 0
        self._choose_fields = False
        self._fields: list[str] = []
        self._share = 0.0
        self._waiting = 0

    # Properties, in the order of the dialog.

    def SetFileName(self, name: str | None) -> None:
        """Path of the `.hinr` file to write."""
        self._file_name = name or ""

    def SetPreset(self, name: str | None) -> None:
        """How long to train: fast, default or best."""
        self._settings["preset"] = name or "default"

    def SetSamples(self, n: int) -> None:
        """Points to train on; 0 takes the preset's."""
        self._samples = int(n)

    def SetTeacher(self, name: str | None) -> None:
        """Who says what lies between the steps; auto finds out."""
        self._settings["teacher"] = name or "auto"

    def SetEvery(self, n: int) -> None:
        """Train on every n-th time step."""
        self._every = int(n)

    def SetChooseFields(self, enabled: int) -> None:
        """Whether to learn only the selected fields."""
        self._choose_fields = bool(enabled)

    def AddField(self, name: str) -> None:
        """One more of the fields to learn when they are chosen."""
        self._fields.append(name)

    def ClearFields(self) -> None:
        """None of them."""
        self._fields.clear()

    def SetSeed(self, seed: int) -> None:
        """Equal seeds give equal models."""
        self._seed = int(seed)

    def SetDevice(self, name: str | None) -> None:
        """Where to train: auto, cpu or cuda."""
        self._settings["device"] = name or "auto"

    # Writing.

    def Write(self) -> int:
        """Pull the steps and train; 1 when the model is there, 0 after an error or a stop that was asked for."""
        self._share, self._last_error = 0.0, None
        self.SetAbortExecute(0)
        try:
            return int(self._guarded(self._file_name, self._write))
        except KeyboardInterrupt:  # Ctrl-C in pvpython; what was begun is gone by now
            self._report("WarningEvent", f"writing {self._file_name} was stopped, nothing was changed")
            return 0

    def _write(self) -> None:
        from hyperinr.filters.interpreter import find_python
        from hyperinr.filters.ranks import all_well, rank
        from hyperinr.filters.training_process import working_folder
        from hyperinr_core.errors import ParameterError

        if not self._file_name:
            raise ParameterError("no file is named; expected the path of the .hinr file to write")
        times = self._times()
        if rank():
            self._follow(times)
            return
        self._waiting = len(times)
        try:
            python = find_python()  # before the steps, which may take long
            with working_folder(self._file_name) as folder:
                self._train(python, folder, self._saved(times, folder))
        finally:
            if self._waiting:
                all_well(False)  # lets the other ranks go

    def _follow(self, times: list[float]) -> None:
        """What all ranks but the first do: send their piece of each step, until the first gives up and says why."""
        from hyperinr.filters.ranks import all_well

        for time in times:
            if not all_well(True):
                return
            self._image(time)

    def _times(self) -> list[float]:
        """The times to train on."""
        from hyperinr_core.errors import DataError

        producer = self.GetInputConnection(0, 0).GetProducer()
        producer.UpdateInformation()
        info, key = self.GetInputInformation(0, 0), vtkStreamingDemandDrivenPipeline.TIME_STEPS()
        times = list(info.Get(key)) if info.Has(key) else []
        chosen = times[:: max(self._every, 1)]
        if len(chosen) < 2:
            raise DataError(
                f"the input has {len(times)} time steps, of which Every {self._every} leaves {len(chosen)}; expected at "
                "least 2 to learn what lies between, save a source that has time steps"
            )
        return chosen

    def _saved(self, times: list[float], folder: Path) -> Path:
        """The series on disk, one step in memory at a time."""
        from hyperinr.filters.ranks import all_well
        from hyperinr.filters.recording import Recording

        recording = Recording(folder / SERIES)
        for number, time in enumerate(times):
            self._look(folder)
            all_well(True)
            self._waiting -= 1
            recording.add(time, self._chosen(self._image(time)))
            self._progress((number + 1) / len(times), PULLING, f"{number + 1} of {len(times)}")
        return recording.path

    def _image(self, time: float) -> vtkImageData | None:
        """The whole image at a time; None on all ranks but the first."""
        from hyperinr.filters.image import with_nan
        from hyperinr.filters.ranks import gathered, n_ranks, rank
        from hyperinr_core.errors import DataError

        connection = self.GetInputConnection(0, 0)
        connection.GetProducer().UpdateTimeStep(time, rank(), n_ranks(), 0)
        whole = self.GetInputInformation(0, 0).Get(vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT())
        image = gathered(with_nan(connection.GetProducer().GetOutputDataObject(connection.GetIndex())), whole)
        if image is not None and not image.GetNumberOfPoints():
            raise DataError(f"the input is empty at time {time:g}; expected an image, look for an error above")
        return image

    def _chosen(self, image: vtkImageData) -> vtkImageData:
        """The image with the fields that are to be learnt; all when they were not chosen."""
        from hyperinr_core.errors import ParameterError

        if not self._choose_fields:
            return image
        result, found = vtkImageData(), 0
        result.CopyStructure(image)
        for source, target in (
            (image.GetPointData(), result.GetPointData()),
            (image.GetCellData(), result.GetCellData()),
        ):
            for name in self._fields:
                if source.GetArray(name) is not None:
                    found += target.AddArray(source.GetArray(name)) >= 0
        if found < max(len(self._fields), 1):
            raise ParameterError(
                f"the fields chosen are {', '.join(self._fields) or 'none'}; expected names of the input's arrays"
            )
        return result

    def _train(self, python: str, folder: Path, series: Path) -> None:
        from hyperinr.filters.training_process import train
        from hyperinr_core.files import rename

        name = os.path.abspath(self._file_name)
        self._say(f"training {name}; `hyperinr stop {name}` ends it")
        said = train(python, series, folder / MODEL, self._options(folder), self._progress, lambda: self._look(folder))
        rename(folder / MODEL, Path(name))
        self._say("\n".join(line for line in said.splitlines() if MODEL not in line and SERIES not in line))

    def _options(self, folder: Path) -> list[str]:
        """What `hyperinr train` is told."""
        options = [f"--{name}={value}" for name, value in self._settings.items()] + [f"--seed={self._seed}"]
        options += [f"--field={name}" for name in self._fields if self._choose_fields]
        if self._samples:
            path = folder / "settings.json"
            path.write_text(json.dumps({"training": {"samples": self._samples}}), encoding="utf-8")
            options.append(f"--config={path}")
        return options

    def _look(self, folder: Path) -> None:
        """Raise Aborted when somebody wants to stop: ParaView, or `hyperinr stop`."""
        from hyperinr.filters.training_process import STOP
        from hyperinr_core.errors import Aborted

        if self.GetAbortExecute() or (folder / STOP).exists() or not folder.exists():
            self._report("WarningEvent", f"writing {self._file_name} was stopped, nothing was changed")
            raise Aborted(f"writing {self._file_name} was stopped")

    def _progress(self, share: float, part: str, figures: str) -> None:
        """Move ParaView's bar: pulling the steps, then teachers, then training, never backwards."""
        begin, end = PARTS.get(part, TEACHING)
        self._share = max(self._share, begin + share * (end - begin))
        # seen in ParaView's bar, which has room for one line: of the figures the last, which is the time left
        doing = f"{part} {figures.rpartition('  ')[2]}".strip()
        self.SetProgressText(f"{doing}; to stop it: hyperinr stop {os.path.basename(self._file_name)}")
        self.UpdateProgress(self._share)

    def _say(self, text: str) -> None:
        tell(f"{self.LABEL}: {text}")
