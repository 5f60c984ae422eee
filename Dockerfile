# The image holds the program, its libraries and root certificates: no shell, no package manager, no root.
# The configuration is mounted at /etc/portcullis/gateway.toml; the store belongs in the volume /var/lib/portcullis.

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates cmake make
WORKDIR /portcullis
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY scripts/image scripts/
COPY src src
RUN cargo build --release --locked
RUN scripts/image target/release/portcullis /image && mkdir /data

FROM scratch
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /data /var/lib/portcullis
USER 65532:65532
# Commands find gateway.toml here without -c.
WORKDIR /etc/portcullis
# The demo keeps its store where temporary files go.
ENV TMPDIR=/var/lib/portcullis
VOLUME /var/lib/portcullis
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/portcullis", "health"]
ENTRYPOINT ["/usr/local/bin/portcullis"]
CMD ["run"]
