"""People, their groups and the background jobs, in the style of the rest of the back-office."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from procrastinate.contrib.django.admin import ProcrastinateEventInline, ProcrastinateJobAdmin
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Status
from unfold.admin import ModelAdmin, StackedInline
from unfold.contrib.filters.admin import DropdownFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from balances.backoffice import CarefulActions, Exporting, action, auditing, display, queue_warning
from balances.events import QUEUE, WAITING
from ledgerproj import roles
from ledgerproj.models import Factor
from ledgerproj.names import why_taken
from ledgerproj.own_password import note_given
from ledgerproj.second_factor import forget
from ledgerproj.sessions import end

NAMED_RIGHTS = 3
OWN_GROUPS = "ledger_own_groups"
"""Where a request keeps the ids of the groups of its user."""
ONE_LINE, SHOWN = 30, 2000
"""Characters of a job's arguments that stand in one line, and that are shown."""
STATUS_COLOURS = {"succeeded": "success", "failed": "danger", "aborted": "warning", "cancelled": "warning"}

for model in (User, Group, ProcrastinateJob):
    admin.site.unregister(model)


@action(description="Reset second factor", permissions=["change"])
def reset_second_factor(model_admin: Any, request: HttpRequest, queryset: QuerySet[User]) -> None:
    """Remove the second factors and recovery codes of others, who lost them; where the policy asks they enrol again."""
    chosen = list(queryset)
    if refusal := _why_not_reset(request, chosen):
        model_admin.message_user(request, f"Nothing was done. {refusal}", messages.ERROR)
        return
    with transaction.atomic():
        forget(chosen)
        end(chosen)
        auditing.acted(request, chosen, "Second factor reset.")
    names = ", ".join(user.username for user in chosen)
    done = f"Second factors and recovery codes are removed: {names}. The next sign-in needs the password alone."
    model_admin.message_user(request, done, messages.SUCCESS)


@action(description="End sessions", permissions=["change"])
def end_sessions(model_admin: Any, request: HttpRequest, queryset: QuerySet[User]) -> None:
    """Sign the selected users out, wherever they are signed in."""
    chosen = list(queryset)
    with transaction.atomic():
        ended = end(chosen, except_key=request.session.session_key)
        auditing.acted(request, chosen, f"Ended {ended} sessions.")
    model_admin.message_user(request, f"Sessions that were ended: {ended}.", messages.SUCCESS)


def _why_not_reset(request: HttpRequest, chosen: list[User]) -> str:
    if request.user in chosen:
        return "Remove your own under Second factor, in the menu of your name."
    return _why_not_as(request, chosen)


def _why_not_as(request: HttpRequest, chosen: list[User]) -> str:
    """Return why somebody may not make themselves able to sign in as these, by password or without second factor."""
    if request.user.is_superuser:
        return ""
    if any(user.is_superuser for user in chosen):
        return "Only a superuser does this for a superuser."
    held = Permission.objects.filter(Q(user__in=chosen) | Q(group__user__in=chosen)).select_related("content_type")
    names = {f"{each.content_type.app_label}.{each.codename}": each.name for each in held.distinct()}
    words = sorted(roles.PERMISSIONS.get(name, said) for name, said in names.items() if not request.user.has_perm(name))
    if not words:
        return ""
    shown = "”, “".join(words[:NAMED_RIGHTS])
    return f"They hold rights that you do not have (“{shown}”), and you could sign in as them. Ask a superuser."


class NewPersonForm(UserCreationForm):  # type: ignore[misc]  # unfold has no type hints
    """A new user, with a name that no one has or had."""

    def clean_username(self) -> str:
        """Return the name. Raises ``ValidationError`` where records know somebody else by it."""
        name: str | None = super().clean_username()
        if name and (why := why_taken(name)):
            raise ValidationError(why)
        return name or ""


@admin.register(User)
class PersonAdmin(CarefulActions, Exporting, UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold has no type hints
    """Staff and their permissions."""

    form = UserChangeForm
    add_form = NewPersonForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "email", "is_active", "is_staff", "is_superuser", "second")
    actions = (reset_second_factor, end_sessions)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Leave superusers, and so their passwords, to superusers."""
        return super().has_change_permission(request, obj) and _is_within_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let no one delete users: the next one with the name would be taken for the first."""
        return False

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """Set the password of one who holds no more rights, who then chooses another one at the next sign-in."""
        found = self.get_object(request, unquote(id))  # as Django reads it, which takes " 7" and "+7" for 7
        if found and (refusal := _why_not_as(request, [found])):
            raise PermissionDenied(refusal)
        with transaction.atomic():
            response: HttpResponse = super().user_change_password(request, id, form_url)
            if found and request.method == "POST" and response.status_code == HttpResponseRedirect.status_code:
                found.refresh_from_db()
                note_given(found, request.user.get_username())
        return response

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Note of a new user who knows their password."""
        super().save_model(request, obj, form, change)
        if not change:
            note_given(obj, request.user.get_username())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Let no one rename users, by whose names records know them, nor raise themselves; superusers make others."""
        fixed = ["username"] if obj is not None else []
        if not request.user.is_superuser:
            fixed.append("is_superuser")
            if obj is not None and obj.pk == request.user.pk:
                fixed += ["groups", "user_permissions"]
        return (*super().get_readonly_fields(request, obj), *fixed)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Add whether each user has a second factor."""
        factors = Factor.objects.filter(user=OuterRef("pk"))
        return super().get_queryset(request).annotate(has_second_factor=Exists(factors))

    @admin.display(description="Second factor", boolean=True)
    def second(self, user: Any) -> bool:
        """Show whether the user has a second factor."""
        return bool(user.has_second_factor)

    def formfield_for_manytomany(self, db_field: Any, request: Any, **options: Any) -> Any:
        """Offer only permissions that mean something here, in words."""
        return _permissions_in_words(super().formfield_for_manytomany(db_field, request, **options), db_field)


@admin.register(Group)
class PeopleGroupAdmin(CarefulActions, Exporting, GroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Groups and their permissions; a page of its own shows who may do what."""

    change_list_template = "admin/auth/group/change_list.html"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let no one but superusers change a group of their own."""
        may: bool = super().has_change_permission(request, obj)
        if not may or obj is None or request.user.is_superuser:
            return may
        if not hasattr(request, OWN_GROUPS):  # asked for each of many that are deleted together
            setattr(request, OWN_GROUPS, set(request.user.groups.values_list("pk", flat=True)))
        return obj.pk not in getattr(request, OWN_GROUPS)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let no one but superusers delete a group of their own, with the rights that its members have by it."""
        may: bool = super().has_delete_permission(request, obj)
        return may and (obj is None or self.has_change_permission(request, obj))

    def formfield_for_manytomany(self, db_field: Any, request: Any, **options: Any) -> Any:
        """Offer only permissions that mean something here, in words."""
        return _permissions_in_words(super().formfield_for_manytomany(db_field, request, **options), db_field)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that shows who may do what."""
        page = self.admin_site.admin_view(self.who_may_do_what)
        return [path("who-may-do-what/", page, name="auth_group_who_may_do_what"), *super().get_urls()]

    def who_may_do_what(self, request: HttpRequest) -> HttpResponse:
        """Show each permission that means something, with the groups and users that have it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        active = Count("user", filter=Q(user__is_active=True))
        groups = list(Group.objects.annotate(members=active).order_by("name"))
        held = roles.permissions().prefetch_related("group_set", "user_set")
        by_name = {f"{each.content_type.app_label}.{each.codename}": each for each in held}
        rows = [
            {
                "words": words,
                "groups": [(group.name, group in by_name[name].group_set.all()) for group in groups],
                "users": ", ".join(sorted(user.username for user in by_name[name].user_set.all() if user.is_active)),
            }
            for name, words in roles.PERMISSIONS.items()
            if name in by_name
        ]
        superusers = User.objects.filter(is_superuser=True, is_active=True).order_by("username")
        context = self.admin_site.each_context(request) | {
            "opts": self.model._meta,
            "title": "Who may do what",
            "groups": groups,
            "rows": rows,
            "superusers": [user.username for user in superusers],
        }
        return TemplateResponse(request, "admin/auth/group/who_may_do_what.html", context)


def _is_within_reach(request: HttpRequest, user: Any) -> bool:
    return user is None or not user.is_superuser or bool(request.user.is_superuser)


def _permissions_in_words(field: Any, db_field: Any) -> Any:
    if db_field.related_model is Permission and field is not None:
        field.queryset = roles.permissions()
        field.label_from_instance = lambda each: roles.PERMISSIONS[f"{each.content_type.app_label}.{each.codename}"]
    return field


class JobEvents(StackedInline, ProcrastinateEventInline):  # type: ignore[misc]
    """What happened to a job."""


class JobStatusFilter(DropdownFilter):  # type: ignore[misc]
    """Jobs in one state; what is no state cannot be compared in the database, and narrows nothing."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        """Offer every state."""
        return [(status.value, status.value) for status in Status]

    def queryset(self, request: Any, queryset: Any) -> Any:
        """Compare states."""
        known = {status.value for status in Status}
        return queryset.filter(status=self.value()) if self.value() in known else queryset


@admin.register(ProcrastinateJob)
class JobAdmin(CarefulActions, Exporting, ModelAdmin, ProcrastinateJobAdmin):  # type: ignore[misc]
    """Background jobs, read-only by default; payloads and addresses of webhooks and hooks are not shown."""

    inlines = [JobEvents]
    list_filter = [JobStatusFilter, *(name for name in ProcrastinateJobAdmin.list_filter if name != "status")]
    list_filter_submit = True

    def changelist_view(self, request: Any, extra_context: dict[str, Any] | None = None) -> Any:
        """Say above the list where no worker runs."""
        if request.method == "GET":
            queue_warning.warn(request)
        return super().changelist_view(request, extra_context)

    def get_actions(self, request: Any) -> dict[str, Any]:
        """Offer retrying and cancelling only to users who may change jobs."""
        may_change = request.user.has_perm("procrastinate.change_procrastinatejob")
        return super().get_actions(request) if may_change else {}

    def get_object(self, request: Any, *args: Any) -> ProcrastinateJob | None:
        """Return the job for its page, whose heading repeats the arguments."""
        job: ProcrastinateJob | None = super().get_object(request, *args)
        if job is not None and job.queue_name in (QUEUE, WAITING):
            job.args = {}
        return job

    @admin.display(description="Args")
    def pretty_args(self, instance: ProcrastinateJob) -> str:
        """Show the arguments, without the style that procrastinate gives them."""
        if instance.queue_name in (QUEUE, WAITING):
            return "not shown"
        text = json.dumps(instance.args, indent=2 if len(str(instance.args)) > ONE_LINE else None)
        return format_html("<pre>{}</pre>", text[:SHOWN] + ("…" if len(text) > SHOWN else ""))

    @display(description="Status", label=STATUS_COLOURS)
    def pretty_status(self, instance: ProcrastinateJob) -> Any:
        """Show the state by a colour; procrastinate's signs need a font that many machines do not have."""
        return instance.status, instance.status.title()
