# The images: `service` (CPU), `service-gpu` and `operator`, each a target of this file.
#
#   docker build --target service --tag localhost/face-comparison/service:0.1.0 .
#
# Everything that goes into a build is pinned by digest: the base image here, what builds in container/build.txt, what the
# packages depend on in uv.lock, the published models in the recipes. A Python environment is made in stages and copied
# into the last one, which therefore holds neither compiler nor package cache; its root file system may be read-only.
ARG BASE_IMAGE=docker.io/library/python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${BASE_IMAGE} AS build
COPY container/build.txt /
RUN python -m venv --without-pip /opt/build \
    && pip --python /opt/build install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /build.txt
ENV PATH=/opt/build/bin:/usr/local/bin:/usr/bin:/bin \
    UV_PYTHON=/usr/local/bin/python \
    UV_PROJECT_ENVIRONMENT=/opt/face-comparison \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_SYSTEM_CERTS=1 \
    ORT_DISABLE_TELEMETRY=1
WORKDIR /src
COPY pyproject.toml uv.lock ./
COPY service/pyproject.toml service/
COPY operator/pyproject.toml operator/
COPY devtools/pyproject.toml devtools/

# --- the models: built once from the published files, as `make setup` does; --build-arg BUNDLES="default yunet-sface-int8"
# adds another to the default bundle ---
FROM build AS models
RUN uv sync --quiet --locked --no-dev --package face-comparison --extra cpu --no-install-workspace
COPY service service
ARG BUNDLES=default
RUN for bundle in ${BUNDLES}; do \
        FACE_COMPARISON_BUNDLES=/opt/bundles PYTHONPATH=service/src \
        /opt/face-comparison/bin/python -m face_comparison models fetch "${bundle}" || exit 1; \
    done

# --- what each image depends on; onnx and pip only build bundles ---
FROM build AS service-dependencies
RUN uv sync --quiet --locked --no-dev --package face-comparison --extra cpu --extra s3 --extra heif --extra postgres --extra album --no-install-workspace \
        --no-install-package onnx --no-install-package pip
COPY container/slim.py container/elf.py container/
RUN python container/slim.py /opt/face-comparison && python -m compileall -q -j 0 /opt/face-comparison/lib

FROM build AS service-gpu-dependencies
RUN uv sync --quiet --locked --no-dev --package face-comparison --extra gpu --extra s3 --extra heif --extra postgres --extra album --no-install-workspace \
        --no-install-package onnx --no-install-package pip
COPY container/slim.py container/elf.py container/
RUN python container/slim.py /opt/face-comparison && python -m compileall -q -j 0 /opt/face-comparison/lib

FROM build AS operator-dependencies
RUN uv sync --quiet --locked --no-dev --package face-comparison-operator --no-install-workspace
COPY container/slim.py container/elf.py container/
RUN python container/slim.py /opt/face-comparison && python -m compileall -q -j 0 /opt/face-comparison/lib

# --- this product's packages by themselves: a new version is a small layer to nodes that have the last one ---
FROM build AS service-package
RUN uv venv --quiet /opt/face-comparison
COPY service service
RUN (cd service && hatchling build --target wheel --directory /wheels) \
    && uv pip install --quiet --python /opt/face-comparison --no-deps --prefix /package /wheels/*.whl \
    && python -m compileall -q -s /package -p /opt/face-comparison /package

FROM build AS operator-package
RUN uv venv --quiet /opt/face-comparison
COPY operator operator
RUN (cd operator && hatchling build --target wheel --directory /wheels) \
    && uv pip install --quiet --python /opt/face-comparison --no-deps --prefix /package /wheels/*.whl \
    && python -m compileall -q -s /package -p /opt/face-comparison /package

# --- the images ---
FROM ${BASE_IMAGE} AS runtime
# The numeric user lets Kubernetes see that it is not root. Only /tmp is written to, and what is mounted at /data, where an
# embedded store of collections may lie: a new volume of Docker takes over who may write there.
RUN mkdir --mode=0770 /data && chown 65532:0 /data
ENV PATH=/opt/face-comparison/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /
USER 65532:65532

FROM runtime AS operator
COPY --from=operator-dependencies /opt/face-comparison /opt/face-comparison
COPY --from=operator-package /package /opt/face-comparison
# Metrics and health.
EXPOSE 8080 8081
ENTRYPOINT ["face-comparison-operator"]
CMD ["run"]

FROM runtime AS service-gpu
ENV FACE_COMPARISON_BUNDLES=/opt/bundles FACE_COMPARISON_DEVICE=cuda FACE_COMPARISON_HOST=0.0.0.0 ORT_DISABLE_TELEMETRY=1
COPY --from=models /opt/bundles /opt/bundles
COPY --from=service-gpu-dependencies /opt/face-comparison /opt/face-comparison
COPY --from=service-package /package /opt/face-comparison
EXPOSE 8080
ENTRYPOINT ["face-comparison"]
CMD ["serve"]

FROM runtime AS service
ENV FACE_COMPARISON_BUNDLES=/opt/bundles FACE_COMPARISON_HOST=0.0.0.0 ORT_DISABLE_TELEMETRY=1
COPY --from=models /opt/bundles /opt/bundles
COPY --from=service-dependencies /opt/face-comparison /opt/face-comparison
COPY --from=service-package /package /opt/face-comparison
EXPOSE 8080
ENTRYPOINT ["face-comparison"]
CMD ["serve"]
