"""Pages that say what went wrong, and what to do next, in the frame of the back-office."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import Resolver404, ResolverMatch, resolve, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

TEMPLATE = "admin/balances/refused.html"
FRAME, NO_FRAME = "admin/base_site.html", "unfold/layouts/unauthenticated.html"
LOOKS = {"changelist", "change", "history", "export_csv", "export_xlsx", "app_list", "index"}
"""Routes of a model that show it, and need no more than its view permission."""
NAMED = 3
"""People who are named as those who can give a permission."""


def page(
    request: HttpRequest, status: int, title: str, sentences: Iterable[str], links: Iterable[tuple[str, str]] = ()
) -> HttpResponse:
    """Return a page with some sentences and links, each an address and a text; people who are in see the sidebar."""
    is_in = _is_in(request)
    context: dict[str, Any] = admin.site.each_context(request) | {
        "title": title,
        "layout": FRAME if is_in else NO_FRAME,
        "is_in": is_in,
        "sentences": list(sentences),
        "links": [*links, (reverse("admin:index"), _("Back to the start") if is_in else _("Sign in"))],
    }
    return TemplateResponse(request, TEMPLATE, context, status=status).render()


def is_ours(request: HttpRequest) -> bool:
    """Return whether an address is one of the back-office."""
    return request.path.startswith(reverse("admin:index"))


def forbidden(request: HttpRequest, why: str) -> HttpResponse:
    """Return the page for a user who lacks a permission: which one, and who can give it."""
    lacking = [capfirst(each.name) for each in missing(request)]
    said = [why] if why else []
    if lacking:
        names = _("“%s”") % "”, “".join(lacking)
        said.append(_("The permission that is missing: %s.") % names)
        said.append(_("%s can give it to you, or to a group that you are in, under Users.") % _givers())
    else:
        said.append(_("What was asked for is not offered to you here. %s can say why.") % _givers())
    said.append(_("Nothing was changed. The attempt is on record."))
    return page(request, 403, _("You may not do this"), said)


def not_found(request: HttpRequest, title: str, said: str, links: Iterable[tuple[str, str]] = ()) -> HttpResponse:
    """Return the page for what does not exist."""
    return page(request, 404, title, [said], links)


def missing(request: HttpRequest) -> list[Permission]:
    """Return the permissions that would have opened a page and that the user does not have."""
    match = _route(request)
    app, model, action = _parts(match) if match else ("", "", "")
    wanted = Q(content_type__app_label=app, codename__startswith="view_")
    if model:
        wanted &= Q(content_type__model=model)
    if deed := _deed(request, action):
        wanted |= _needed(app, model, deed)
    rows = Permission.objects.filter(wanted).select_related("content_type").order_by("content_type__model", "pk")
    return [row for row in rows if not request.user.has_perm(f"{row.content_type.app_label}.{row.codename}")]


def _deed(request: HttpRequest, action: str) -> str:
    """Return the verb of what was asked for, as permissions have it; nothing where it only shows something."""
    chosen = request.POST.get("action", "").split("_")[0]
    if action == "changelist" and chosen.isidentifier():  # the database would refuse to compare some other texts
        return chosen
    if action == "change" and request.method == "POST":
        return "change"
    return "" if action in LOOKS else action.split("_")[0]


def _needed(app: str, model: str, deed: str) -> Q:
    """Return the condition for the permission of a deed: the one that its page asks for, else that of its name."""
    for each, its_admin in admin.site._registry.items():
        if (each._meta.app_label, each._meta.model_name) == (app, model):
            asked = getattr(getattr(type(its_admin), f"has_{deed}_permission", None), "permission", "")
            if asked:
                label, _dot, codename = asked.partition(".")
                return Q(content_type__app_label=label, codename=codename)
    named = Q(content_type__app_label=app, codename__startswith=f"{deed}_")
    return named & Q(content_type__model=model) if model else named


def _parts(match: ResolverMatch) -> tuple[str, str, str]:
    """Return the app, the model and the action that the name of a route stands for."""
    name = match.url_name or ""
    if name == "app_list":
        return match.kwargs.get("app_label", ""), "", name
    for model in admin.site._registry:
        meta = model._meta
        prefix = f"{meta.app_label}_{meta.model_name}_"
        if name.startswith(prefix):
            return meta.app_label, str(meta.model_name), name.removeprefix(prefix)
    return "", "", name


def _route(request: HttpRequest) -> ResolverMatch | None:
    try:
        return request.resolver_match or resolve(request.path_info)
    except Resolver404:
        return None


def _givers() -> str:
    """Return who may change users: some names, or the role where no one is left to name."""
    people = get_user_model()._default_manager.filter(is_active=True, is_staff=True)
    may = Q(is_superuser=True)
    for path in ("user_permissions", "groups__permissions"):
        may |= Q(**{f"{path}__codename": "change_user", f"{path}__content_type__app_label": "auth"})
    names = [str(each) for each in people.filter(may).distinct().order_by("pk")[:NAMED]]
    return _(" or ").join(names) if names else _("An administrator")


def _is_in(request: HttpRequest) -> bool:
    return bool(getattr(request, "user", None)) and admin.site.has_permission(request)
