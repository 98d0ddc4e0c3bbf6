"""The metrics server, which Prometheus scrapes over HTTP."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, start_http_server

from emberline.engine.errors import ConfigError


class MetricsServer:
    """Serves a registry at ``/metrics`` from a thread of its own, until it is closed.

    Attributes:
        port: the port it listens on.
    """

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        """Start to serve.

        Args:
            registry: the metrics.
            host: the host to listen on.
            port: the port to listen on; 0: a free one.

        Raises:
            ConfigError: the port is not available.
        """
        try:
            self._server, self._thread = start_http_server(port, host.strip("[]"), registry)
        except OSError as error:
            raise ConfigError(
                f"metrics cannot be served on {host}:{port} ({error.strerror}); free the port or set another one"
            ) from error
        self.port = self._server.server_port

    def close(self) -> None:
        """Stop serving, and wait for the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
