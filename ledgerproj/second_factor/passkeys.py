"""Passkeys (WebAuthn): what the browser is asked, and whether its answer is right.

The address that people use is part of each passkey: one made at one host name works at no other. Browsers make none
for an address without a name, such as 127.0.0.1.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ledgerproj.models import Factor
from ledgerproj.second_factor.codes import ISSUER

if TYPE_CHECKING:
    from fido2.server import Fido2Server

CREATION, REQUEST = "passkey_creation", "passkey_request"
"""What the session keeps of a question until its answer, which is taken once."""
LONGEST = 20_000
"""Characters of an answer."""


class NotRight(Exception):
    """The browser's answer is not one to the question, or not that of a known passkey."""


def ask_for_new(request: HttpRequest, user: User) -> str:
    """Return the question for a new passkey, as JSON for the browser."""
    from fido2.webauthn import PublicKeyCredentialUserEntity, UserVerificationRequirement

    handle = salted_hmac("ledger: passkey user", str(user.pk), algorithm="sha256").digest()
    question, state = _server(request).register_begin(
        PublicKeyCredentialUserEntity(id=handle, name=user.get_username(), display_name=user.get_username()),
        [_credential(each) for each in passkeys_of(user)],
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    request.session[CREATION] = _kept(state)
    return json.dumps(dict(question.public_key))


def made(request: HttpRequest, user: User, name: str, answer: str) -> Factor:
    """Return the passkey of an answer, not saved yet. Raises ``NotRight``."""
    state = request.session.pop(CREATION, None)
    response = _parsed(answer)
    if state is None:
        raise NotRight("The question was too long ago.")
    try:
        data = _server(request).register_complete(state, response)
    except Exception as error:  # the library raises whatever its decoders do
        raise NotRight(str(error)) from error
    found = data.credential_data
    identifier = _text(found.credential_id) if found else ""
    if found is None or Factor.objects.filter(credential_id=identifier).exists():
        raise NotRight("This passkey is known already.")
    return Factor(
        user=user,
        kind=Factor.Kind.PASSKEY,
        name=name,
        credential_id=identifier,
        credential=_text(bytes(found)),
        sign_count=data.counter,
        last_used_at=timezone.now(),
    )


def ask(request: HttpRequest, user: User) -> str:
    """Return the question for a passkey of a user, as JSON for the browser; empty where they have none."""
    from fido2.webauthn import UserVerificationRequirement

    known = [_credential(each) for each in passkeys_of(user)]
    if not known:
        return ""
    question, state = _server(request).authenticate_begin(known, UserVerificationRequirement.PREFERRED)
    request.session[REQUEST] = _kept(state)
    return json.dumps(dict(question.public_key))


def check(request: HttpRequest, user: User, answer: str) -> Factor | None:
    """Return the passkey whose answer this is, or ``None`` where it is not right. Each question has one answer."""
    state = request.session.pop(REQUEST, None)
    if state is None:
        return None
    known = list(passkeys_of(user))
    try:
        response = _parsed(answer)
        found = _server(request).authenticate_complete(state, [_credential(each) for each in known], response)
        counter = _counter(response)
    except Exception:  # the library raises whatever its decoders do, and all of it is a wrong answer
        return None
    factor = next(each for each in known if each.credential_id == _text(found.credential_id))
    # A counter that does not rise is the mark of a copy; passkeys without one send zero.
    rises = Q(sign_count__lt=counter) if counter else Q(sign_count=0)
    passed = Factor.objects.filter(rises, pk=factor.pk)
    return factor if passed.update(sign_count=counter, last_used_at=timezone.now()) else None


def passkeys_of(user: User) -> list[Factor]:
    """Return a user's passkeys."""
    return list(Factor.objects.filter(user=user, kind=Factor.Kind.PASSKEY))


def _server(request: HttpRequest) -> Fido2Server:
    from fido2.server import Fido2Server
    from fido2.webauthn import PublicKeyCredentialRpEntity

    host, _ = split_domain_port(request.get_host())
    origin = f"{request.scheme}://{request.get_host()}"
    entity = PublicKeyCredentialRpEntity(id=host, name=ISSUER)
    return Fido2Server(entity, verify_origin=lambda given: given == origin)


def _credential(factor: Factor) -> Any:
    from fido2.utils import websafe_decode
    from fido2.webauthn import AttestedCredentialData

    return AttestedCredentialData(websafe_decode(factor.credential))


def _counter(response: dict[str, Any]) -> int:
    from fido2.webauthn import AuthenticationResponse

    return AuthenticationResponse.from_dict(response).response.authenticator_data.counter


def _parsed(answer: str) -> dict[str, Any]:
    if len(answer) > LONGEST:
        raise NotRight("That is no answer of a browser.")
    try:
        response = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise NotRight("That is no answer of a browser.") from error
    if not isinstance(response, dict):
        raise NotRight("That is no answer of a browser.")
    return response


def _kept(state: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "value", value) for name, value in state.items()}


def _text(data: bytes) -> str:
    from fido2.utils import websafe_encode

    return websafe_encode(data)
