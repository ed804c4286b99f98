"""A TCP server of a test's own, without any protocol."""

import socket
import threading


class RawServer:
    """Takes connections at `address`, on a port of its own, and counts them; a derived class has `serve(connection)`,
    which runs in a thread for each. What that needs is to be there before this is initialized."""

    def __init__(self, address="127.0.0.1"):
        self.connections = 0
        self.listener = socket.create_server((address, 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # which ends the `accept` that waits
        self.listener.close()
