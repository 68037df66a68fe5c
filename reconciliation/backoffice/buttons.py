"""Buttons on pages of the back-office: each posts to a route of its own, which calls one service and reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from reconciliation.correcting import MAX_REASON


class NoteForm(forms.Form):
    """The optional note with a decision."""

    note = forms.CharField(required=False, max_length=MAX_REASON)


def button_route(model_admin: Any, name: str, view: Callable[[HttpRequest, str], HttpResponse]) -> URLPattern:
    """Return the route ``<id>/<name>/`` of a page. It accepts only POST with a CSRF token.

    Users who may not view the page may not use its buttons either.
    """

    def posted(request: HttpRequest, object_id: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not model_admin.has_view_permission(request):
            raise PermissionDenied
        return view(request, object_id)

    meta = model_admin.model._meta
    guarded = model_admin.admin_site.admin_view(posted)
    route: URLPattern = path(f"<str:object_id>/{name}/", guarded, name=f"{meta.app_label}_{meta.model_name}_{name}")
    return route


def press(model_admin: Any, request: HttpRequest, object_id: str, do: Callable[[str], Any], done: str) -> HttpResponse:
    """Call ``do`` with the note of the form, show the message ``done`` and return to the page; ``do`` may raise."""
    form = NoteForm(request.POST)
    if form.is_valid():
        do(form.cleaned_data["note"])
        model_admin.message_user(request, done, messages.SUCCESS)
    else:
        model_admin.message_user(request, f"Nothing was done. {form.errors['note'][0]}", messages.ERROR)
    meta = model_admin.model._meta
    return HttpResponseRedirect(reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[object_id]))
