"""People, their groups and the background jobs, in the style of the rest of the back-office."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from procrastinate.contrib.django.admin import ProcrastinateEventInline, ProcrastinateJobAdmin
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Status
from unfold.admin import ModelAdmin, StackedInline
from unfold.contrib.filters.admin import DropdownFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from balances.backoffice import CarefulActions, Exporting, queue_warning
from balances.events import QUEUE, WAITING

for model in (User, Group, ProcrastinateJob):
    admin.site.unregister(model)


@admin.register(User)
class PersonAdmin(CarefulActions, Exporting, UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold has no type hints
    """Staff and their permissions."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "email", "is_active", "is_staff", "is_superuser")


@admin.register(Group)
class PeopleGroupAdmin(CarefulActions, Exporting, GroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Groups and their permissions."""


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
        """Show the arguments."""
        return "not shown" if instance.queue_name in (QUEUE, WAITING) else super().pretty_args(instance)
