import gc

import pytest
from npe2 import PluginManager
from qtpy.QtWidgets import QApplication

from napari_inpaint.plugin.widget.preferences import Preferences


@pytest.fixture(autouse=True, scope="session")
def quick_collections():
    """What other tests imported is not searched for garbage each time that napari closes a viewer."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def no_widget_stays(request):
    """No test may leave a visible window behind."""
    yield
    app = QApplication.instance()
    if app is None or "make_napari_viewer" not in request.fixturenames:
        return
    app.processEvents()
    gc.collect()
    assert not [widget for widget in app.topLevelWidgets() if widget.isVisible()]


@pytest.fixture(autouse=True)
def small_model(monkeypatch):
    """The widget starts with the small model here: the best one takes ten times as long."""
    monkeypatch.setattr("napari_inpaint.plugin.widget.inputs.read_preferences", lambda: Preferences(model="compact"))


@pytest.fixture
def plugins():
    """Let viewer models read and write files by plugins, as viewers do."""
    PluginManager.instance().discover()
