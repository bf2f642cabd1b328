"""Every plug-in of every registry can be had by its name, and can be called."""

from __future__ import annotations

import pytest

from curator.attributes import FAMILIES
from curator.encoders import REGISTRY as ENCODERS
from curator.exporters import EXPORTERS
from curator.recommenders import STRATEGIES

REGISTRIES = {"attributes": FAMILIES, "encoders": ENCODERS, "exporters": EXPORTERS, "recommenders": STRATEGIES}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_plug_in_has_a_name_a_home_and_words(kind):
    registry = REGISTRIES[kind]
    assert len(registry.names()) >= 2
    for name, plugin in registry:
        assert registry.get(name) is plugin
        assert name == name.lower()
        if callable(plugin):
            assert (plugin.__doc__ or "").strip()
