"""Where encoders and the views that are asked of a teacher lie."""

from __future__ import annotations

import numpy as np
from view_models import balls_database

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr_core.pictures.picture_set import picture_parameters
from hyperinr_core.training.views import placement
from hyperinr_core.training.views import task as training


def test_encoders_and_teacher_views_stay_within_narrow_bounds(tmp_path):
    corner = [(azimuth, elevation) for azimuth in (10.0, 30.0, 50.0) for elevation in (0.0, 20.0, 40.0)]
    pictures = open_pictures(balls_database(tmp_path / "c.cdb", corner))
    parameters = picture_parameters(pictures, pictures)
    config = training.views_preset("fast", pictures.grid).replace(encoders={"poisson": 0.5, "gaussian": 0.5})
    positions = placement.encoder_positions(pictures, parameters, config, 20, True)
    thetas = placement.taught_thetas(pictures, parameters, 50, 0)
    assert positions.shape == (20, 2) and thetas.shape == (50, 2)
    for found in (positions, thetas):
        assert (found >= [10, 0]).all() and (found <= [50, 40]).all() and np.ptp(found, axis=0).min() > 20
