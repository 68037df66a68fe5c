"""The second factor: codes of an app, passkeys, recovery codes; who needs one, and how it is asked for."""

from ledgerproj.second_factor.policy import forget, has_factor
