"""What a Blnk client does to rebuild a balance, over real HTTP and with nothing but the standard library."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import simplejson

from balances.exact_json import dumps, loads


class UnexpectedAnswer(Exception):
    """The server refused what the demo asked."""


class DemoClient:
    """Two calls of the API, with the master key."""

    def __init__(self, base_url: str, key: str) -> None:
        """Keep where the server is and the key it wants."""
        self.base_url, self.key = base_url, key

    def reconstruct(self, balance_id: str) -> None:
        """Set the flag: ``POST /{balance_id}/metadata``."""
        self._call("POST", f"/{balance_id}/metadata", {"meta_data": {"BLNK_RUN_RECONCILIATION": "SOURCE"}})

    def result(self, balance_id: str) -> dict[str, str] | None:
        """Return what the last reconstruction left in the balance's metadata, if there was one."""
        balance = loads(self._call("GET", f"/balances/{balance_id}"))
        result: dict[str, str] | None = (balance["meta_data"] or {}).get("BLNK_RECONCILIATION_RESULT")
        return result

    def body(self, balance_id: str) -> str:
        """Return the JSON that ``GET /balances/{balance_id}`` answers, indented for people."""
        return simplejson.dumps(loads(self._call("GET", f"/balances/{balance_id}")), indent=2)

    def _call(self, method: str, path: str, body: Any = None) -> str:
        request = urllib.request.Request(  # noqa: S310 - our own http address
            self.base_url + path,
            method=method,
            data=None if body is None else dumps(body).encode(),
            headers={"X-Blnk-Key": self.key, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            raise UnexpectedAnswer(f"{method} {path} answered {error.code}: {error.read().decode()}") from error
