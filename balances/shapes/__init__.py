"""The answers of the wire, for the API and for webhooks and hooks."""
