"""The form that edits the metadata of a balance, as JSON."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from balances.ground import ExactDecoder, ExactEncoder, ModeForbids, NumberOutOfRange, dumps
from balances.models import RUN_FLAG, RUN_VALUE, Balance
from balances.posting import require_correction

if TYPE_CHECKING:
    BalanceForm = forms.ModelForm[Balance]
else:
    BalanceForm = forms.ModelForm

REFUSED_FLAG = (
    f"Setting {RUN_FLAG} reconstructs the balance, and you do not have the permission to reconstruct balances. "
    "Nothing was saved."
)


class ExactJSONFormField(forms.JSONField):
    """A text area for JSON in which numbers keep all their digits; empty means no metadata."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"encoder": ExactEncoder, "decoder": ExactDecoder, "required": False}))

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what was typed, as it was typed."""
        return initial if self.disabled else forms.fields.InvalidJSONInput(data or "")

    def prepare_value(self, value: Any) -> str:
        """Return indented JSON."""
        if value is None or isinstance(value, forms.fields.InvalidJSONInput):
            return value or ""
        return ExactEncoder(indent=2).encode(value)

    def to_python(self, value: Any) -> Any:
        """Return the object. Raises ``ValidationError`` for what cannot be stored or is no object."""
        try:
            decoded = super().to_python(value)
            storable = decoded is None or "\0" not in _texts(dumps(decoded))
        except NumberOutOfRange as error:
            raise ValidationError(f"The number {error} has too many digits.") from error
        except (
            ValueError,
            RecursionError,
        ) as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
        if not storable:
            raise ValidationError("Metadata cannot contain the character U+0000.")
        if decoded is not None and not isinstance(decoded, dict):
            raise ValidationError('Metadata is an object: {"key": "value"}.')
        return decoded


class MetadataForm(BalanceForm):
    """Edits metadata, and refuses to overwrite changes made since the page was opened."""

    meta_data = ExactJSONFormField(
        label="Metadata",
        help_text=f'JSON. {{"{RUN_FLAG}": "{RUN_VALUE}"}} in it reconstructs the balance, as it does through the API, '
        "if the four-eyes policy leaves that to one person.",
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    may_reconstruct: bool = False
    """Whether the user may set the flag; the admin sets this for each request."""

    class Meta:
        model = Balance
        fields = ("meta_data",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial["seen"] = fingerprint(self.instance.meta_data)

    def clean(self) -> dict[str, Any]:
        """Compare with the stored metadata, while the admin holds the row's lock."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("seen") != fingerprint(self.instance.meta_data):
            raise ValidationError(
                "The metadata was changed by someone else while this page was open, perhaps by a reconstruction. "
                "Nothing was saved. Open the page again and repeat your change."
            )
        wanted = cleaned.get("meta_data") or {}
        if wanted.get(RUN_FLAG) == RUN_VALUE and not self.may_reconstruct:
            self.add_error("meta_data", REFUSED_FLAG)
        try:
            require_correction(self.instance.meta_data, wanted)
        except ModeForbids as error:
            self.add_error("meta_data", error.message)
        return cleaned


def fingerprint(meta_data: Any) -> str:
    """Return a short text that differs wherever two values of metadata differ."""
    return hashlib.sha256(ExactEncoder(sort_keys=True).encode(meta_data).encode()).hexdigest()


def _texts(encoded: str) -> str:
    """Return JSON text with escapes of U+0000 decoded. Raises ``ValueError`` for a lone surrogate."""
    encoded.encode()
    return encoded.replace("\\\\", "").replace("\\u0000", "\0")
