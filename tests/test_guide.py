"""The guide for staff: in the admin as in the documents, with a link from each page to a part that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from ledgerproj import guide
from tests.people import signed_in

LARGEST = 150_000
PICTURES = sorted(Path(guide.GUIDE).parent.joinpath("guide").glob("*.png"))


@pytest.mark.django_db
def test_who_is_not_signed_in_reads_nothing() -> None:
    assert Client().get(reverse("guide")).status_code == 302


@pytest.mark.django_db
def test_an_installation_without_documents_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "GUIDE", Path("/nowhere"))
    assert signed_in("view_balance").get(reverse("guide")).status_code == 404


def test_each_part_that_a_page_links_to_is_there_and_each_model_exists() -> None:
    headings = set(re.findall(r'<h2 id="([\w-]+)"', guide.rendered()))
    assert set(guide.PARTS.values()) <= headings
    models = {str(model._meta.model_name) for model in admin.site._registry}
    assert set(guide.PARTS) - {"index"} <= models


def test_each_picture_is_small_shown_and_served() -> None:
    assert len(PICTURES) >= 4
    for picture in PICTURES:
        assert picture.stat().st_size < LARGEST
        assert f"guide/{picture.name}" in guide.rendered()
        assert finders.find(f"guide/{picture.name}")


@pytest.mark.django_db
def test_a_page_links_to_the_part_about_it_which_has_no_dead_link() -> None:
    client = signed_in("view_balance", "view_apikey")
    assert (
        f'href="{reverse("guide")}#balances"'
        in client.get(reverse("admin:balances_balance_changelist")).content.decode()
    )
    assert f'href="{reverse("guide")}"' in client.get(reverse("admin:balances_apikey_changelist")).content.decode()
    text = client.get(reverse("guide")).content.decode()
    assert "A balance is wrong: what now" in text
    assert '.md"' not in text
