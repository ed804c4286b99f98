"""prooftrackd's webhooks with WSGI alone; `application` also runs under gunicorn, uWSGI or mod_wsgi.

    WEBHOOK_SECRET_FILE=webhook_secret SHOP_DATABASE=shop.db PORT=8080 PYTHONPATH=.. python3 wsgi_app.py
"""

import os
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

from prooftrackd_receiver import Receiver
from shop import create_tables, credit

receiver = Receiver(os.environ["WEBHOOK_SECRET_FILE"])
create_tables()
application = receiver.wsgi(credit)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


if __name__ == "__main__":
    make_server("127.0.0.1", int(os.environ["PORT"]), application, Server).serve_forever()
