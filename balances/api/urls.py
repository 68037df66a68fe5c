"""The core routes (conventions 11)."""

from django.urls import path

from balances.api import account_views, filter_views, hook_views, identity_views, key_views, views

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
    path("balances/<str:balance_id>/identity", identity_views.BalanceIdentityView.as_view()),
    path("identities", identity_views.IdentitiesView.as_view()),
    path("identities/filter", filter_views.FilterIdentitiesView.as_view()),
    path("identities/<str:identity_id>", identity_views.IdentityView.as_view()),
    path("identities/<str:identity_id>/tokenized-fields", identity_views.TokenizedFieldsView.as_view()),
    path("identities/<str:identity_id>/tokenize", identity_views.TokenizeView.as_view()),
    path("identities/<str:identity_id>/tokenize/<str:field>", identity_views.TokenizeFieldView.as_view()),
    path("identities/<str:identity_id>/detokenize", identity_views.DetokenizeView.as_view()),
    path("identities/<str:identity_id>/detokenize/<str:field>", identity_views.DetokenizeFieldView.as_view()),
    path("accounts", account_views.AccountsView.as_view()),
    path("accounts/filter", filter_views.FilterAccountsView.as_view()),
    path("accounts/<str:account_id>", account_views.AccountView.as_view()),
    path("mocked-account", account_views.MockedAccountView.as_view()),
    path("api-keys", key_views.ApiKeysView.as_view()),
    path("api-keys/<str:api_key_id>", key_views.ApiKeyView.as_view()),
    path("hooks", hook_views.HooksView.as_view()),
    path("hooks/<str:hook_id>", hook_views.HookView.as_view()),
    path("<str:entity_id>/metadata", views.MetadataView.as_view()),
]
