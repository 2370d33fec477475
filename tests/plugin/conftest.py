import pytest
from qtpy.QtWidgets import QApplication


@pytest.fixture(autouse=True)
def no_widget_stays(request):
    """No test may leave a visible window behind."""
    yield
    app = QApplication.instance()
    if app is None or "make_napari_viewer" not in request.fixturenames:
        return
    app.processEvents()
    assert not [widget for widget in app.topLevelWidgets() if widget.isVisible()]
