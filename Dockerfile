# boltzd in two stages: build and test with the -dev packages, ship with the run-time libraries.
#   docker build -t boltzd .
#   docker run -d --name boltzd -p 127.0.0.1:8000:8000 -v boltzd:/var/lib/boltzd --stop-timeout 30 boltzd

FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends git make gcc libc6-dev ca-certificates
WORKDIR /src
COPY . .
RUN sh etc/setup.sh build && make -j"$(nproc)" && strip build/boltzd

FROM build AS test
RUN make test

FROM debian:12-slim
ARG VERSION=1.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="boltzd" \
      org.opencontainers.image.description="independent samples of Boltzmann distributions over HTTP" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
RUN apt-get update \
 && apt-get install -y --no-install-recommends libmicrohttpd12 libcjson1 libsqlite3-0 libnettle8 libopenblas0-serial libstdc++6 \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/boltzd
COPY --from=build /src/build/boltzd /usr/bin/boltzd
COPY --from=build /src/LICENSE /usr/share/doc/boltzd/LICENSE
ENV BOLTZD_DATA=/var/lib/boltzd \
    BOLTZD_LISTEN=0.0.0.0:8000
USER 10001:10001
WORKDIR /var/lib/boltzd
VOLUME /var/lib/boltzd
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/usr/bin/boltzd", "--healthcheck"]
ENTRYPOINT ["/usr/bin/boltzd"]
