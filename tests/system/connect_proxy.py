"""An HTTP proxy that takes CONNECT and nothing else, and says what it was asked for."""

import base64
import select
import socket
import socketserver
import ssl
import threading


def receive(end):
    """What is there; None when that is nothing for us, as a TLS session ticket."""
    end.settimeout(0)
    try:
        return end.recv(65536)
    except (BlockingIOError, ssl.SSLWantReadError):
        return None
    finally:
        end.settimeout(None)


def relay(one, other):
    """Both ways until one of the two ends; one thread, because a TLS socket is not for two."""
    opposite = {one: other, other: one}
    try:
        while True:
            held_back = [end for end in opposite if isinstance(end, ssl.SSLSocket) and end.pending()]
            for end in held_back or select.select(list(opposite), [], [])[0]:
                chunk = receive(end)
                if chunk == b"":
                    return
                if chunk:
                    opposite[end].sendall(chunk)
    except OSError:
        pass
    finally:
        one.close()
        other.close()


class ConnectProxy:
    """`status` other than 200 is answered in place of a tunnel; with `login` ("user:password") others get a 407;
    `hosts` are names that this proxy alone knows, each with its address."""

    def __init__(self, address):
        self.status = 200
        self.login = None
        self.hosts = {}
        self.asked = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                outer.serve(self)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 256

            def handle_error(self, *_):
                pass

        self.server = Server((address, 0), Handler)
        self.name = f"{address}:{self.server.server_address[1]}"
        self.url = f"http://{self.name}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def serve(self, handler):
        method, target, _ = handler.rfile.readline().decode().split()
        headers = {}
        while line := handler.rfile.readline().decode().strip():
            name, value = line.split(": ", 1)
            headers[name.lower()] = value
        given = headers.get("proxy-authorization", "").removeprefix("Basic ")
        self.asked.append(target)
        status = self.status if method == "CONNECT" else 405
        if self.login is not None and base64.b64decode(given).decode() != self.login:
            status = 407
        if status != 200:
            handler.wfile.write(f"HTTP/1.1 {status} no\r\nContent-Length: 0\r\n\r\n".encode())
            return
        host, port = target.rsplit(":", 1)
        upstream = socket.create_connection((self.hosts.get(host, host.strip("[]")), int(port)), 10)
        handler.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        relay(handler.connection, upstream)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
