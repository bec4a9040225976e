# A node as a small image: built with all tools, run with none of them.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /venv
COPY requirements-run.lock ./
RUN /venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps -r requirements-run.lock
COPY requirements.lock pyproject.toml README.md LICENSE ./
# The build backend, at the version that the lock file names, in an environment of its own.
RUN python -m venv /build && /build/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps -r requirements.lock
COPY gen gen
COPY limedb limedb
RUN /build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
  && /venv/bin/python -m pip install --no-cache-dir --quiet --no-deps /wheels/*.whl \
  && /venv/bin/python -m pip uninstall --quiet --yes pip setuptools \
  && find /venv -name __pycache__ -prune -exec rm -rf {} + \
  && /venv/bin/python -m compileall -q /venv/lib

# The same with the source mounted: nodes restart when a file changes (docker-compose.dev.yml).
FROM build AS dev
ENV PATH=/build/bin:$PATH PYTHONPATH=/src:/src/gen PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["watchfiles", "--filter", "python", "python -m limedb serve", "/src/limedb", "/src/gen"]

FROM python:3.11-slim
RUN groupadd --gid 10001 limedb && useradd --uid 10001 --gid limedb --no-create-home --shell /usr/sbin/nologin limedb \
  && install -d -o limedb -g limedb /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data
USER limedb
VOLUME /data
EXPOSE 8484
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["limedb", "health"]
ENTRYPOINT ["limedb"]
CMD ["serve"]
