"""The guide for staff, docs/guide.md, as a page of the back-office; each other page links to the part about it."""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it import MarkdownIt

GUIDE = settings.BASE_DIR / "docs" / "guide.md"
PICTURE, PAGE = re.compile(r'src="guide/([\w-]+\.png)"'), re.compile(r'<a href="([\w-]+\.md(?:#[\w-]+)?)">(.*?)</a>')
HEADING = re.compile(r"<h2>(.*?)</h2>")
PARTS = {
    "index": "the-first-page",
    "balance": "balances",
    "balancesnapshot": "balances",
    "balanceedit": "balances",
    "transaction": "transactions",
    "transactionedit": "transactions",
    "entry": "transactions",
    "openhold": "open-holds",
    "holdplan": "open-holds",
    "ledger": "ledgers-and-identities",
    "identity": "ledgers-and-identities",
    "account": "ledgers-and-identities",
    "sweep": "findings",
    "finding": "findings",
    "assignment": "work",
    "note": "work",
    "incident": "findings",
    "break": "findings",
    "plan": "plans",
    "reconstruction": "plans",
    "step": "plans",
}
"""Headings of the guide, by the model whose pages they are about."""


def help_url(request: HttpRequest) -> str:
    """Return the address of the part of the guide about a page, or of its beginning."""
    name = request.resolver_match.url_name if request.resolver_match else None
    model = (name or "").split("_")[1] if (name or "").count("_") else name or ""
    part = PARTS.get(model, "")
    return reverse("guide") + (f"#{part}" if part else "")


def guide(request: HttpRequest) -> HttpResponse:
    """Show the guide."""
    if not GUIDE.is_file():
        raise Http404("This installation came without its documents.")
    context = admin.site.each_context(request) | {"title": "Guide", "guide": rendered()}
    return TemplateResponse(request, "admin/guide.html", context)


@cache
def rendered() -> SafeString:
    """Return the guide as HTML; it is ours, and links to other documents stay text, because these are not served."""
    html = MarkdownIt("commonmark").enable("table").render(GUIDE.read_text())
    html = html.partition("</h1>")[2]
    html = HEADING.sub(lambda found: f'<h2 id="{slugify(found[1])}">{found[1]}</h2>', html)
    html = PICTURE.sub(lambda found: f'src="{static(f"guide/{found[1]}")}"', html)
    return mark_safe(PAGE.sub(r"\2 (docs/\1)", html))  # noqa: S308 - a file of ours
