"""Routes of reconstruction; listed before the core's, one of whose views they extend."""

from django.urls import path

from balances.api import FilterBalancesView
from reconciliation.api import explanation, plan_views, proof, sweep_views, views, watching

urlpatterns = [
    path("alerts", watching.AlertsView.as_view()),
    path("breaks", proof.BreaksView.as_view()),
    path("breaks/<str:break_id>", proof.BreakView.as_view()),
    path("metrics", watching.MetricsView.as_view()),
    path("proof", proof.ProofView.as_view()),
    path("schedules", watching.SchedulesView.as_view()),
    path("balances/filter", FilterBalancesView.as_view()),  # before the pattern that takes it for an id
    path("balances/<str:balance_id>", views.BalanceView.as_view()),
    path("balances/<str:balance_id>/explanation", explanation.ExplanationView.as_view()),
    path("balances/<str:balance_id>/reconstructions", views.ReconstructionsView.as_view()),
    path("sweeps", sweep_views.SweepsView.as_view()),
    path("sweeps/<str:sweep_id>", sweep_views.SweepView.as_view()),
    path("sweeps/<str:sweep_id>/findings", sweep_views.FindingsView.as_view()),
    path("sweeps/<str:sweep_id>/pause", sweep_views.PauseView.as_view()),
    path("sweeps/<str:sweep_id>/resume", sweep_views.ResumeView.as_view()),
    path("sweeps/<str:sweep_id>/cancel", sweep_views.CancelView.as_view()),
    path("incidents", sweep_views.IncidentsView.as_view()),
    path("incidents/<str:incident_id>", sweep_views.IncidentView.as_view()),
    path("plans", plan_views.PlansView.as_view()),
    path("plans/<str:plan_id>", plan_views.PlanView.as_view()),
    path("plans/<str:plan_id>/items", plan_views.PlanItemsView.as_view()),
    path("plans/<str:plan_id>/approve", plan_views.ApproveView.as_view()),
    path("plans/<str:plan_id>/reject", plan_views.RejectView.as_view()),
    path("plans/<str:plan_id>/cancel", plan_views.CancelView.as_view()),
    path("plans/<str:plan_id>/apply", plan_views.ApplyView.as_view()),
    path("reconstructions/<str:reconstruction_id>", plan_views.ReconstructionView.as_view()),
    path("reconstructions/<str:reconstruction_id>/undo", plan_views.UndoView.as_view()),
]
