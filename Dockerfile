# The steps are those of `make package`: build the wheel, install it alone with the versions of the lock,
# migrate on start.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
COPY migrations migrations
RUN python -m pip install --no-cache-dir --constraint constraints.txt hatchling \
 && python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . \
 && python -m venv /venv \
 && /venv/bin/python -m pip install --no-cache-dir --constraint constraints.txt "$(ls /dist/kalends-*.whl)[redis,oidc]"

FROM python:3.13-slim
COPY --from=build /venv /venv
RUN useradd --system --uid 10001 --home-dir /data --create-home kalends
USER kalends
WORKDIR /data
VOLUME /data
ENV PATH=/venv/bin:$PATH KALENDS_DATABASE_URL=sqlite:////data/kalends.db
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# `serve` migrates first. SIGTERM lets it finish the requests in flight.
CMD ["kalends", "serve", "--host", "0.0.0.0"]
