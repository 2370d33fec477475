"""The widget and what runs behind it."""
