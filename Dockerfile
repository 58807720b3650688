# examples/server as one static file in an empty image, run by nobody.
#   docker build -t percore .
#   docker run --rm -p 8080:8080 -p 8443:8443 percore
# io_uring: Docker >= 25 and containerd >= 2.0 block it by default; the server then uses epoll and says so. To allow it:
#   docker run --security-opt seccomp=unconfined ...
# Any image with Go in it will do for building, also one imported from a machine's own files:
#   docker build --build-arg BUILD_IMAGE=local/golang ...
ARG BUILD_IMAGE=golang:1.26
FROM ${BUILD_IMAGE} AS build
ENV CGO_ENABLED=0 PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /src
COPY go.mod go.sum ./
# For builds without a network GOPROXY and GOFLAGS can point at a module cache that is part of the build image.
ARG GOPROXY
ARG GOFLAGS
RUN go mod download
COPY . .
RUN go build -trimpath -buildvcs=false -ldflags='-s -w' -o /server ./examples/server

FROM scratch
COPY --from=build /server /server
USER 65532:65532
EXPOSE 8080 8443
ENTRYPOINT ["/server"]
