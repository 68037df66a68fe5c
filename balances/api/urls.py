"""The core routes (conventions 11)."""

from django.urls import path

from balances.api import filter_views, key_views, views

urlpatterns = [
    path("", views.RootView.as_view()),
    path("health", views.HealthView.as_view()),
    path("ledgers", views.LedgersView.as_view()),
    path("ledgers/filter", filter_views.FilterLedgersView.as_view()),
    path("ledgers/<str:ledger_id>", views.LedgerView.as_view()),
    path("balances", views.BalancesView.as_view()),
    path("balances/filter", filter_views.FilterBalancesView.as_view()),
    path("balances/<str:balance_id>", views.BalanceView.as_view()),
    path("balances/indicator/<str:indicator>/currency/<str:currency>", views.IndicatorView.as_view()),
    path("balances-snapshots", views.SnapshotsView.as_view()),
    path("transactions", views.TransactionsView.as_view()),
    path("transactions/filter", filter_views.FilterTransactionsView.as_view()),
    path("transactions/<str:transaction_id>", views.TransactionView.as_view()),
    path("transactions/reference/<str:reference>", views.ReferenceView.as_view()),
    path("api-keys", key_views.ApiKeysView.as_view()),
    path("api-keys/<str:api_key_id>", key_views.ApiKeyView.as_view()),
    path("<str:entity_id>/metadata", views.MetadataView.as_view()),
]
