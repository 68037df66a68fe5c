"""Blnk's official SDKs, unchanged, behind one face: what is asked is written once, and each SDK asks it its own way.

``blnk.transactions.update_status(…)`` calls that method of the Python SDK, or ``Transactions.updateStatus`` of the
TypeScript SDK in a process of Node.js.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from blnk_sdk import Blnk, BlnkClientOptions, blnk_init

from ledgerproj.embedded import locks

TYPESCRIPT = Path(__file__).parent / "typescript"
OLDEST_NODE = 18


class NoNode(Exception):
    """The TypeScript SDK cannot run here; the message says why."""


class _Silent:
    """Refusals are what many tests ask for: the SDK need not print them."""

    def info(self, *_: Any) -> None: ...
    def error(self, *_: Any) -> None: ...
    def debug(self, *_: Any) -> None: ...


@dataclass(frozen=True)
class Answer:
    """What a method of an SDK returned; ``code`` is that of the error that it understood, if any."""

    status: int
    message: str
    data: Any
    code: str | None

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Answer:
        return cls(fields["status"], fields["message"], fields["data"], (fields.get("error") or {}).get("code"))


class Sdk(Protocol):
    def methods(self) -> set[str]:
        """Return the names of all methods, as ``service.method``."""

    def call(self, service: str, method: str, *args: Any) -> Answer:
        """Call a method by its Python names."""


class Client:
    """An SDK whose services and methods are attributes, as in its documentation."""

    def __init__(self, sdk: Sdk) -> None:
        self.sdk = sdk

    def __getattr__(self, service: str) -> Any:
        return _Service(self.sdk, service)


class _Service:
    def __init__(self, sdk: Sdk, name: str) -> None:
        self._sdk, self._name = sdk, name

    def __getattr__(self, method: str) -> Any:
        return lambda *args: self._sdk.call(self._name, method, *args)


class PythonSdk:
    def __init__(self, key: str, url: str) -> None:
        self._client = blnk_init(key, BlnkClientOptions(base_url=url, logger=_Silent()))

    def methods(self) -> set[str]:
        services = [name for name, _ in inspect.getmembers(Blnk, lambda member: isinstance(member, property))]
        return {
            f"{service}.{name}"
            for service in services
            for name, _ in inspect.getmembers(type(getattr(self._client, service)), inspect.isfunction)
            if not name.startswith("_")
        }

    def call(self, service: str, method: str, *args: Any) -> Answer:
        return Answer.of(getattr(getattr(self._client, service), method)(*args).to_dict())


class TypeScriptSdk:
    def __init__(self, node: Node, key: str, url: str) -> None:
        self._node, self._asked = node, {"key": key, "baseUrl": url}

    def methods(self) -> set[str]:
        found = self._node.ask(self._asked)
        return {f"{_snake(service)}.{_snake(name)}" for service, names in found.items() for name in names}

    def call(self, service: str, method: str, *args: Any) -> Answer:
        camel = _pascal(method)
        names = {"service": _pascal(service), "method": camel[0].lower() + camel[1:]}
        return Answer.of(self._node.ask(self._asked | names | {"args": args}))


class Node:
    """A process of Node.js that makes one call after the other."""

    def __init__(self, modules: Path) -> None:
        self._process = subprocess.Popen(
            ["node", TYPESCRIPT / "runner.cjs"],
            env=os.environ | {"NODE_PATH": str(modules)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, call: dict[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(call, default=_date) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=10)


def install(directory: Path) -> Path:
    """Return where the TypeScript SDK is installed, after doing so once for all processes. Raises ``NoNode``."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise NoNode("Node.js is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        raise NoNode(f"Node.js {version} is older than {OLDEST_NODE}")
    wanted = (TYPESCRIPT / "package.json").read_text()
    directory.mkdir(parents=True, exist_ok=True)
    with locks.held(directory):
        done = directory / "installed.json"  # written last: an installation that was cut short is done again
        if not done.exists() or done.read_text() != wanted:
            (directory / "package.json").write_text(wanted)
            quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error")
            npm = subprocess.run(["npm", "install", *quiet], cwd=directory, capture_output=True, text=True, check=False)
            if npm.returncode:
                said, _, _ = npm.stderr.partition("\n")
                raise NoNode(f"npm cannot install the TypeScript SDK: {said}")
            done.write_text(wanted)
    return directory / "node_modules"


def _date(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$date": value.isoformat()}
    raise TypeError(f"{value!r} cannot be sent")


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
