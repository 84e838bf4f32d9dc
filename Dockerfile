# syncd in a container: docs/service.md has how to run it read-only and without any right.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /build
COPY requirements.txt ./
RUN python -m venv /opt/syncd \
    && /opt/syncd/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements.txt
COPY pyproject.toml README.md ./
COPY syncd ./syncd
COPY connectors ./connectors
COPY systemd ./systemd
RUN /opt/syncd/bin/pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
    && /opt/syncd/bin/pip install --no-cache-dir --no-deps dist/*.whl \
    && /opt/syncd/bin/pip uninstall --yes setuptools pip

FROM python:${PYTHON}-slim
# The same number on each machine, so that a volume keeps its owner.
RUN groupadd --system --gid 10750 syncd \
    && useradd --system --uid 10750 --gid syncd --home-dir /var/lib/syncd --shell /usr/sbin/nologin syncd \
    && install -d -o syncd -g syncd -m 0700 /var/lib/syncd
COPY --from=build /opt/syncd /opt/syncd
# SQLite's temporary tables hold a district while it is compared: into the volume, as the rest may be read-only and memory is small.
ENV PATH=/opt/syncd/bin:$PATH \
    SYNCD_CONFIG=/etc/syncd/syncd.toml \
    STATE_DIRECTORY=/var/lib/syncd \
    SQLITE_TMPDIR=/var/lib/syncd \
    PYTHONDONTWRITEBYTECODE=1
USER 10750:10750
WORKDIR /var/lib/syncd
VOLUME /var/lib/syncd
# Whether configuration and store can be read; a daemon that ends is the orchestrator's to start anew.
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s CMD ["syncd", "status", "--json"]
ENTRYPOINT ["syncd"]
CMD ["serve"]
