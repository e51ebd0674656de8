# A static binary on an image without a shell.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /source
COPY . .
RUN cargo build --release --locked

FROM scratch
COPY --from=build /source/target/release/quorate /quorate
USER 65532:65532
ENTRYPOINT ["/quorate"]
