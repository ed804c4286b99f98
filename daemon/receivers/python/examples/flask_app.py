"""prooftrackd's webhooks with Flask 2 or 3.

    WEBHOOK_SECRET_FILE=webhook_secret SHOP_DATABASE=shop.db PORT=8080 PYTHONPATH=.. python3 flask_app.py
"""

import os

from flask import Flask, request
from prooftrackd_receiver import LARGEST_BODY, Receiver
from shop import create_tables, credit

receiver = Receiver(os.environ["WEBHOOK_SECRET_FILE"])
create_tables()
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 2 * LARGEST_BODY  # what is beyond is not even read


@app.post("/hooks/proof")
def proof():
    return "", receiver.receive(request.headers, request.get_data(), credit)


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["PORT"]))
