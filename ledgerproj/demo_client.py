"""What a Blnk client does to rebuild a balance, over real HTTP."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Any

import simplejson

from balances.ground import dumps, loads
from balances.models import RUN_FLAG, RUN_VALUE
from ledgerproj.processes import open_directly
from reconciliation.records import INTEGER, RESULT_KEY, RESULT_LABELS

AMOUNTS = RESULT_LABELS.keys() - {"executed_at"}


class UnexpectedAnswer(Exception):
    """The server refused what the demo asked, or did not answer."""


class DemoClient:
    """Two calls of the API, with the master key."""

    def __init__(self, base_url: str, key: str) -> None:
        """Keep where the server is and the key it wants."""
        self.base_url, self.key = base_url, key

    def reconstruct(self, balance_id: str) -> None:
        """Set the flag: ``POST /{balance_id}/metadata``."""
        self._call("POST", f"/{balance_id}/metadata", {"meta_data": {RUN_FLAG: RUN_VALUE}})

    def result(self, balance_id: str) -> dict[str, str] | None:
        """Return what the last reconstruction left in the balance's metadata, if anything there looks like it."""
        meta_data = loads(self._call("GET", f"/balances/{balance_id}"))["meta_data"]
        result = meta_data.get(RESULT_KEY) if isinstance(meta_data, dict) else None
        return result if is_result(result) else None

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
            with open_directly(request, timeout=30) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            raise UnexpectedAnswer(f"{method} {path} answered {error.code}: {error.read().decode()}") from error
        except (OSError, http.client.HTTPException) as error:
            raise UnexpectedAnswer(f"{method} {path} was not answered: {error}") from error


def is_result(value: Any) -> bool:
    """Return whether a value has the eight strings of a reconstruction; any client may write anything there."""
    if not isinstance(value, dict) or not isinstance(value.get("executed_at"), str):
        return False
    amounts = (value.get(name) for name in AMOUNTS)
    return all(isinstance(amount, str) and INTEGER.fullmatch(amount) for amount in amounts)
