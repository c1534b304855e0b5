"""Counts and places of a model's numbers follow from its architecture."""

from __future__ import annotations

import pytest
from models import random_model

from hyperinr_core.architecture import Architecture
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import ParameterError
from hyperinr_core.volume import Field


def test_counts_by_hand():
    encoding = EncodingConfig(n_levels=2, n_features_per_level=2, base_resolution=2, guide_resolution=4)
    architecture = Architecture(encoding, NetworkConfig(16, 2), 5)
    assert architecture.n_table == 2 * (2**3 + 4**3), "the guide's level is not learned"
    assert architecture.layer_shapes == [(16, 6), (16, 16), (5, 16)], "but the network reads it"
    assert architecture.n_mlp == 16 * 6 + 16 * 16 + 5 * 16


def test_every_component_of_every_field_is_an_output():
    fields = (Field("a", 1, ((0.0, 1.0),)), Field("v", 3, ((-1.0, 1.0),) * 3))
    model = random_model(fields=fields)
    architecture = Architecture.of(model.encoding, model.network, fields)
    assert model.architecture == architecture and hash(model.architecture) == hash(architecture)
    assert architecture.n_outputs == model.n_output_dims == 4
    assert model.encoder_params.shape[1] == architecture.n_table and model.mlp_params.size == architecture.n_mlp


def test_levels_too_fine_for_an_index_are_refused():
    with pytest.raises(ParameterError, match="lower n_levels or per_level_scale"):
        _ = Architecture(EncodingConfig(n_levels=32), NetworkConfig(), 1).hash_grid
