"""Routes of reconstruction; listed before the core's, one of whose views they extend."""

from django.urls import path

from reconciliation.api import views

urlpatterns = [
    path("balances/<str:balance_id>", views.BalanceView.as_view()),
    path("balances/<str:balance_id>/reconstructions", views.ReconstructionsView.as_view()),
]
