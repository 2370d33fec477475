"""The command inpaint-fill."""
