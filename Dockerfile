# docker build -t chitter .
# docker run -p 3000:3000 -v chitter:/data chitter

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive the layer: after a change, only what changed is compiled
# again, dependencies included when Cargo.lock moves. The binary is copied out
# because a cache is no part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin chitter \
    && cp target/release/chitter /usr/local/bin/chitter

FROM debian:bookworm-slim
# The certificates are for TLS to mail servers and databases elsewhere.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /data chitter \
    && install -d -o chitter -g chitter -m 0700 /data
COPY --from=build /usr/local/bin/chitter /usr/local/bin/chitter

USER chitter
WORKDIR /data
VOLUME /data
ENV CHITTER_ADDR=0.0.0.0:3000 CHITTER_DATA=/data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["chitter", "health"]
ENTRYPOINT ["chitter"]
