import gc
import threading

import pytest
from npe2 import PluginManager
from qtpy.QtWidgets import QApplication

from napari_inpaint.plugin.layers.drawing import get_ready
from napari_inpaint.plugin.widget.preferences import Preferences
from napari_inpaint.plugin.widget.widget import InpaintWidget
from tests.plugin.widget.user import Slow


@pytest.fixture(autouse=True, scope="session")
def quick_collections():
    """What other tests imported is not searched for garbage each time that napari closes a viewer."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True, scope="session")
def ready_to_draw():
    """No test but one waits until napari can draw shapes."""
    get_ready()


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


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def widget(viewer):
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    assert isinstance(widget, InpaintWidget)
    return widget


@pytest.fixture
def held(monkeypatch):
    """Lets a fill wait until it is released."""
    slow = Slow(monkeypatch, windows=1)
    slow.may_go_on = threading.Event()
    yield slow
    slow.may_go_on.set()
