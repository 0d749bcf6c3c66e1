# The image of the sidecar: docs/image.md tells how to build, verify and run it, tests/image build and run it.
#
# No registry is named here, so that a mirror or a base image of one's own takes no edit. A release pins the base:
#   --build-arg PYTHON_IMAGE=REGISTRY/python:3.13-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
# The build backend goes into the interpreter of this stage, what the broker needs into a virtual environment. That one
# has no pip: it is filled from outside. Wheels only, as an sdist would run code of its own and want a compiler. No
# resolution: the lock files are complete, which `pip check` confirms.
RUN python3 -m pip install --no-deps --require-hashes --only-binary :all: --requirement requirements/build.txt \
    && python3 -m venv --without-pip /opt/venv \
    && python3 -m pip --python /opt/venv install --no-compile --no-deps --require-hashes --only-binary :all: --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY broker/ broker/
# -I: variables of the pod (PYTHONPATH, PYTHONHOME, …) and files in a volume cannot put code into the broker; some
# operators set PYTHONPATH in every container they see.
# unchecked-hash: no timestamp that a registry, a copy or a rebuild could change, after which all of the bytecode would be
# stale, and a container that cannot write compiles everything at each start.
RUN python3 -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && python3 -m pip --python /opt/venv install --no-compile --no-deps --no-index dist/*.whl \
    && python3 -m pip check && python3 -m pip --python /opt/venv check \
    && sed -i '1s/$/ -I/' /opt/venv/bin/token-broker \
    && /opt/venv/bin/python -m compileall -qf --invalidation-mode unchecked-hash /opt/venv/lib

FROM ${PYTHON_IMAGE}
# The base comes without bytecode of the standard library, and with a pip that nobody needs any more. -f: this very
# command leaves some of the other kind.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/lib/python3.*/site-packages/* \
        /usr/local/lib/python3.*/ensurepip /usr/local/lib/python3.*/idlelib \
        /usr/local/lib/python3.*/tkinter /usr/local/lib/python3.*/turtledemo \
    && python3 -m compileall -qf --invalidation-mode unchecked-hash /usr/local/lib/python3.*
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
# A number, so that Kubernetes can tell that it is not root. Any other will do: all files are root's, readable by all,
# and none is ever written.
USER 65532:65532
# The admin listener. The workload API is on loopback, for containers that share it.
EXPOSE 7181
STOPSIGNAL SIGTERM
# No HEALTHCHECK: Kubernetes ignores it, OCI images cannot hold it, and it would start an interpreter every few seconds.
# Compose files ask `token-broker healthcheck`.
ENTRYPOINT ["token-broker"]
CMD ["run"]
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="token-broker" \
      org.opencontainers.image.description="Keeps OAuth 2.0 access tokens fresh with private_key_jwt and hands them to the containers beside it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
