# everfold with its HTTP service, its command line and what it needs for PostgreSQL, for your code:
#
#   docker build -t everfold .
#   docker run --rm -p 127.0.0.1:8000:8000 -v everfold:/data everfold run everfold.cli.demo_bank:app
#
# What it expects, and how to build on it: docs/deployment.md.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements/demo.txt requirements/image.txt requirements/
RUN python -m venv /build/tools && /build/tools/bin/pip install --require-hashes -r requirements/demo.txt
RUN python -m venv --without-pip /opt/everfold \
 && /build/tools/bin/pip --python /opt/everfold/bin/python install --require-hashes -r requirements/image.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /build/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /build/tools/bin/pip --python /opt/everfold/bin/python install --no-deps --no-index dist/*.whl

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin everfold \
 && install --directory --owner=everfold --group=everfold /app /data
COPY --from=build /opt/everfold /opt/everfold
ENV PATH=/opt/everfold/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    EVERFOLD_HOST=0.0.0.0 \
    EVERFOLD_PORT=8000
USER 10001
# Stores whose path is relative, which is the default, are in the volume.
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['EVERFOLD_PORT']}/livez\", timeout=4)"]
ENTRYPOINT ["everfold"]
CMD ["run"]
