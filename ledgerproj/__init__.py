"""The project: settings, URLs, the embedded database and the commands that start everything."""
