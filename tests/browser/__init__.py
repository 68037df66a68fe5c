"""Stories in a real browser, one a module."""
