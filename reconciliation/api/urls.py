"""Routes of reconstruction; listed before the core's, one of whose views they extend."""

from django.urls import path

from reconciliation.api import sweep_views, views

urlpatterns = [
    path("balances/<str:balance_id>", views.BalanceView.as_view()),
    path("balances/<str:balance_id>/reconstructions", views.ReconstructionsView.as_view()),
    path("sweeps", sweep_views.SweepsView.as_view()),
    path("sweeps/<str:sweep_id>", sweep_views.SweepView.as_view()),
    path("sweeps/<str:sweep_id>/findings", sweep_views.FindingsView.as_view()),
    path("sweeps/<str:sweep_id>/pause", sweep_views.PauseView.as_view()),
    path("sweeps/<str:sweep_id>/resume", sweep_views.ResumeView.as_view()),
    path("sweeps/<str:sweep_id>/cancel", sweep_views.CancelView.as_view()),
    path("incidents", sweep_views.IncidentsView.as_view()),
    path("incidents/<str:incident_id>", sweep_views.IncidentView.as_view()),
]
