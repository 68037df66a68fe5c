#!/usr/bin/env python
"""The command line of the ledger back-office."""

import os
import sys


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledgerproj.settings")
    from ledgerproj.beginning import Manager

    Manager(sys.argv).execute()


if __name__ == "__main__":
    main()
