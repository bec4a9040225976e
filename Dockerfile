# A node as a small image: the build tools are not in it.
FROM python:3.11-slim AS libraries
WORKDIR /src
COPY requirements-run.lock requirements.lock ./
RUN python -m venv /venv \
  && /venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps -r requirements-run.lock

# The dashboard.
FROM node:22-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-progress
COPY buf.yaml /src/
COPY proto /src/proto
COPY web ./
RUN npm run --silent build

FROM libraries AS build
# hatchling builds the wheel, watchfiles restarts nodes: both with the versions and hashes of the lock file.
RUN sed -nE '/^(anyio|editables|hatchling|idna|packaging|pathspec|pluggy|trove-classifiers|typing-extensions|watchfiles)==/,/[^\\]$/p' \
    requirements.lock >tools.lock \
  && python -m venv /tools \
  && /tools/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps -r tools.lock
COPY pyproject.toml README.md LICENSE ./
COPY gen gen
COPY limedb limedb
COPY --from=web /src/limedb/static limedb/static
RUN /tools/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
  && /venv/bin/python -m pip install --no-cache-dir --quiet --no-deps /wheels/*.whl \
  && /venv/bin/python -m pip uninstall --quiet --yes setuptools pip

# The same with the source mounted: nodes restart when a file changes (docker-compose.dev.yml).
FROM build AS dev
ENV PATH=/venv/bin:$PATH PYTHONPATH=/src:/src/gen PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
EXPOSE 8484
ENTRYPOINT ["/tools/bin/watchfiles", "--filter", "python", "/venv/bin/python -m limedb serve", "/src/limedb", "/src/gen"]

FROM python:3.11-slim
# From here on nothing is installed, so installers are removed: python:slim's, then those of Debian's own python3.
RUN groupadd --gid 10001 limedb \
  && useradd --uid 10001 --gid limedb --no-create-home --home-dir /data --shell /usr/sbin/nologin limedb \
  && install -d -o limedb -g limedb -m 700 /data /etc/limedb \
  && rm -rf /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip \
    /usr/bin/pip* /usr/bin/wheel /usr/lib/python3*/ensurepip /usr/share/python-wheels \
    /usr/lib/python3/dist-packages/pip* /usr/lib/python3/dist-packages/setuptools* /usr/lib/python3/dist-packages/wheel*
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 8484 18484
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["limedb", "health"]
ENTRYPOINT ["limedb"]
CMD ["serve"]
