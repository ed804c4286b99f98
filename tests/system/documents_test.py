#!/usr/bin/env python3
"""What daemon/docs says holds: the nginx configuration of integrating-proof.md in a real nginx, configurations, cited
files, width."""

import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import ROOT, SLACK, Process, SystemCase, exchange, program, wait_until

DOCS = ROOT / "daemon" / "docs"
NAMES = ("architecture", "security", "deployment", "integrating-proof", "comparison", "accounting", "support",
         "postgresql", "cluster")
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


def text_of(name):
    return (DOCS / f"{name}.md").read_text()


def blocks(language, text):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


def replaced(text, before, after):
    """With a fault when the document no longer has what is replaced, or has it twice."""
    assert text.count(before) == 1, f"{text.count(before)} times: {before}"
    return text.replace(before, after)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Documents(unittest.TestCase):
    def test_they_are_no_wider_than_120_columns(self):
        wide = [f"{name}.md:{number}" for name in NAMES
                for number, line in enumerate(text_of(name).splitlines(), 1) if len(line) > 120]
        self.assertEqual(wide, [])

    def test_every_file_that_they_cite_is_there(self):
        cited = re.compile(r"(?<![\w/.-])((?:lib|daemon|tests|conf|systemd)/[\w./*{},-]*[\w/*}]"
                           r"|(?:\.ci|\.clang)[\w/-]+)")
        for name in NAMES:
            text = text_of(name)
            paths = set(cited.findall(text))
            if name not in ("comparison", "accounting", "support", "postgresql"):
                self.assertGreater(len(paths), 3, name)
            for path in sorted(paths):
                with self.subTest(f"{name}.md: {path}"):
                    braces = re.fullmatch(r"(.*)\{(.*)\}(.*)", path)
                    for one in [braces[1] + part + braces[3] for part in braces[2].split(",")] if braces else [path]:
                        self.assertTrue(any(ROOT.glob(one)) if "*" in one else (ROOT / one).exists(), one)

    def test_links_to_files_lead_somewhere(self):
        for name in NAMES:
            for target in re.findall(r"(?:\]\(|^\[\w+\]: )(\.\./[^)\s#]+)", text_of(name), re.M):
                with self.subTest(f"{name}.md: {target}"):
                    self.assertTrue((DOCS / target).exists())

    def test_measured_figures_are_those_of_their_files(self):
        text = text_of("deployment")
        files = {label: (DOCS / target).read_text() for label, target in re.findall(r"^\[(\w+)\]: (\S+)", text, re.M)}
        rows = re.findall(r"^\| [^|]* \| ([^|]*) \| \[(\w+)\]\[\] \|$", text, re.M)
        self.assertGreater(len(rows), 8)
        for measured, label in rows:
            for figure in re.findall(r"(?<![p\d.,])\d[\d,.]*\d|(?<![p\d.,])\d\b", measured):
                with self.subTest(f"{label}: {figure}"):
                    self.assertRegex(files[label], rf"(?<![\d.,]){re.escape(figure)}(?![\d]|[.,]\d)")

    def test_every_configuration_is_accepted(self):
        shown = [(name, block) for name in NAMES for block in blocks("toml", text_of(name))]
        self.assertGreaterEqual(len(shown), 3)
        for name, block in shown:
            with self.subTest(f"{name}.md: {block[:60]}"), \
                    tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as folder:
                for file, content in (("client_token", "token"), ("db_password", "secret"),
                                      ("webhook_secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")):
                    path = Path(folder, file)
                    path.write_text(content + "\n")
                    path.chmod(0o600)
                if "client_key" in block:
                    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                                    "-nodes", "-subj", "/CN=merchant", "-keyout", f"{folder}/client.key", "-out",
                                    f"{folder}/client.pem"], check=True, capture_output=True)
                # What the fragment leaves out because it is about something else.
                if "base_url" not in block:
                    block = (f'[proof]\nbase_url = "https://proof.example"\n'
                             f'token_file = "/etc/prooftrackd/client_token"\n\n{block}')
                config = Path(folder, "prooftrackd.toml")
                config.write_text(block.replace("/etc/prooftrackd",
                                                folder).replace('admin_group = "shop-admins"', 'admin_group = "root"'))
                done = subprocess.run([program("prooftrackd"), "--config", str(config), "--check-config"],
                                      capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_commands_of_prooftrackctl_are_known(self):
        used = {found for name in NAMES for found in re.findall(r"prooftrackctl ((?:callback |secret )?[a-z][a-z-]+)",
                                                                text_of(name))}
        self.assertGreater(len(used), 3)
        for command in sorted(used):
            with self.subTest(command):
                done = subprocess.run([program("prooftrackctl"), *command.split(), "--help"], capture_output=True,
                                      text=True, timeout=20)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_they_name_no_key_no_event_and_no_route_that_there_is_not(self):
        known, table = set(), ""
        for line in (ROOT / "conf" / "prooftrackd.toml").read_text().splitlines():
            if heading := re.match(r"#?\[+(\w+)\]+", line):
                table = heading.group(1)
            elif key := re.match(r"#?(\w+) *= ", line):
                known.add(f"{table}.{key.group(1)}")
        known |= set(re.findall(r'id::\w+, "([a-z_.]+)"', (ROOT / "lib" / "observe" / "event_table.cpp").read_text()))
        routes = {re.sub(r"\{\w+\}", "{}", path)
                  for path in json.loads((ROOT / "lib" / "api" / "openapi.json").read_text())["paths"]}
        tables = {name.split(".")[0] for name in known}
        for name in NAMES:
            text = text_of(name)
            for word in sorted(set(re.findall(r"`([a-z_]+\.[a-z_]+)`", text))):
                if word.split(".")[0] in tables and not word.startswith("transaction.") and word != "callback.test":
                    with self.subTest(f"{name}.md: {word}"):
                        self.assertTrue(word in known, "neither a key of the configuration nor an event of the log")
            for path in sorted(set(re.findall(r"`(?:GET|POST|PUT|DELETE) (/[^\s`?]*)`", text))):
                with self.subTest(f"{name}.md: {path}"):
                    self.assertTrue(re.sub(r"\{\w+\}", "{}", path) in routes, "no route of the API")


class Container(SystemCase):
    """What deployment.md says of containers: PID 1, and nothing writable but two folders."""

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "root and unshare are needed")
    def test_as_pid_1_on_a_read_only_root(self):
        self.start_sandbox()
        daemon = self.make_daemon([{"name": "ledger", "command": ["/bin/true"]}],
                                  api={"socket": str(self.folder / "run" / "api.sock")})
        daemon.write_config()
        (self.folder / "run").mkdir()
        read_only = """for folder in "$1" "$2"; do mount --bind "$folder" "$folder"; done
            for point in $(awk '{print $5}' /proc/self/mountinfo | sort -u); do
                case $point in "$1" | "$2" | /proc | /proc/* | /sys | /sys/*) ;; *) mount -o remount,bind,ro "$point" 2>/dev/null ;; esac
            done
            touch "$3/writable" 2>/dev/null
            exec "$4" --config "$5" # """
        daemon.process = Process(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c",
                                  read_only, "sh", self.folder / "state",
                                  self.folder / "run", self.folder, program("prooftrackd"), daemon.config_path],
                                 daemon.log_path)
        wait_until(lambda: daemon.answers() or not daemon.process.alive(), 30, "the daemon's socket")
        self.assertFalse((self.folder / "writable").exists(), "the root is not read-only")
        self.assertEqual(daemon.wait_log("daemon.started")[0]["pid"], 1)
        healthy = [program("prooftrackctl"), "--socket", daemon.socket, "status"]
        self.assertEqual(subprocess.run(healthy, capture_output=True, timeout=20).returncode, 0)
        self.assertEqual(daemon.api("POST", "/v1/callbacks/ledger/test").json["status"], 0)
        self.assertEqual(daemon.api("GET", "/v1/backup").status, 200)
        (inside,) = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
        os.kill(int(inside), signal.SIGTERM)
        self.assertEqual(daemon.process.wait(20), 0)
        daemon.wait_log("daemon.stopped")
        self.assertEqual(subprocess.run(healthy, capture_output=True, timeout=20).returncode, 69)


@unittest.skipUnless(os.access(NGINX, os.X_OK), "nginx is needed")
class Hints(SystemCase):
    """Debian's nginx with the document's configuration, unprivileged, between the world and a daemon."""

    interval = ["60s", "60s"]  # what is seen sooner was hinted at

    def setUp(self):
        super().setUp()
        self.start_sandbox()
        # As root: nginx as its own user, which the socket's group lets in. Else both are the one user that there is.
        as_root = os.geteuid() == 0
        self.account = pwd.getpwnam("www-data") if as_root else None
        self.start_daemon(api={"socket": str(self.folder / "api.sock"), **({"group": "www-data"} if as_root else {})})
        self.start_nginx()

    def start_nginx(self):
        (shown,) = blocks("nginx", text_of("integrating-proof"))
        self.port = free_port()
        prefix = self.folder / "nginx"
        prefix.mkdir()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2",
                        "-subj", "/CN=hooks", "-addext", "subjectAltName=DNS:hooks.shop.example", "-keyout",
                        prefix / "hooks.key",
                        "-out", prefix / "hooks.pem"], check=True, capture_output=True, timeout=30)
        self.secret_path = re.search(r"location = (/proof/[0-9a-f]+) ", shown).group(1)
        for before, after in (("user www-data;\n", ""), ("/run/nginx.pid", f"{prefix}/nginx.pid"),
                              ("/var/log/nginx/error.log", f"{prefix}/error.log"),
                              ("/var/log/nginx/hints.log", f"{prefix}/hints.log"),
                              ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
                              ("/etc/nginx/tls/hooks.pem", f"{prefix}/hooks.pem"),
                              ("/etc/nginx/tls/hooks.key", f"{prefix}/hooks.key"),
                              ("unix:/run/prooftrackd/prooftrackd.sock:", f"unix:{self.daemon.socket}:")):
            shown = replaced(shown, before, after)
        # The folders that Debian's build has below /var/lib/nginx.
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        shown = replaced(shown, "\nhttp {\n", "\nhttp {\n" + "".join(f"  {kind}_temp_path {prefix}/{kind};\n"
                                                                     for kind in kinds))
        (prefix / "nginx.conf").write_text(shown)
        options = {}
        if self.account:
            self.folder.chmod(0o711)
            for path in (prefix, *prefix.iterdir()):
                shutil.chown(path, self.account.pw_uid, self.account.pw_gid)
            options = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        with open(prefix / "output", "wb") as output:
            self.nginx = subprocess.Popen([NGINX, "-p", str(prefix), "-e", f"{prefix}/error.log", "-c",
                                           f"{prefix}/nginx.conf", "-g", "daemon off;"],
                                          stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
        self.addCleanup(self.end_nginx)
        self.prefix = prefix
        self.tls = ssl.create_default_context(cafile=str(prefix / "hooks.pem"))
        wait_until(lambda: self.nginx.poll() is not None or self.listens(), 15, "nginx")
        self.assertIsNone(self.nginx.poll(), self.said())

    def said(self):
        return "".join(path.read_text(errors="replace")
                       for path in (self.prefix / "output", self.prefix / "error.log") if path.exists())

    def listens(self):
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def end_nginx(self):
        if self.nginx.poll() is None:
            self.nginx.send_signal(signal.SIGTERM)
            try:
                self.nginx.wait(20)
            except subprocess.TimeoutExpired:
                self.nginx.kill()
                self.nginx.wait(10)

    def ask(self, method, target, body=None, headers=None):
        """As somebody in the world does: by TLS, checked for the document's name."""
        connection = http.client.HTTPSConnection("hooks.shop.example", self.port, context=self.tls, timeout=30)
        plain = socket.create_connection(("127.0.0.1", self.port), 30)
        connection.sock = self.tls.wrap_socket(plain, server_hostname="hooks.shop.example")
        try:
            return exchange(connection, method, target, body, headers)
        finally:
            connection.close()

    def hint(self, body, **headers):
        return self.ask("POST", self.secret_path, body,
                        {name.replace("_", "-"): value for name, value in headers.items()})

    def asked_of_the_daemon(self):
        """What nginx asked, as (method, route); where it has no user of its own, what this test asked too."""
        return {(line["method"], line["route"]) for line in self.daemon.logged("api.request") if not self.account
                or line["uid"] == self.account.pw_uid}

    def wait_forwarded(self, *statuses):
        """The daemon's last answers, as nginx notes them: after its reply has gone out."""
        def last():
            return re.findall(r"upstream=(\S+)", (self.prefix / "hints.log").read_text())[-len(statuses):]
        wait_until(lambda: last() == list(statuses), 5 + SLACK, f"{statuses} in nginx's log")

    def test_a_hint_goes_through_and_brings_the_end(self):
        self.sandbox.set("hinted", status="pending")
        self.daemon.track("hinted")
        wait_until(lambda: self.daemon.get("hinted")["status"] == "pending", 10 + SLACK, "the first poll")
        self.sandbox.set("hinted", status="completed")
        lie = {"event": "tx.update", "merchant_transaction_id": "hinted", "status": "failed",
               "fiat_amount": "1000000.00"}
        reply = self.hint(lie, Content_Type="text/plain", Content_Encoding="odd")
        self.assertEqual(reply.status, 202, f"{reply} {self.said()}")
        found = self.daemon.wait_state("hinted", "settled", 5)
        self.assertEqual(found["status"], "completed", "Proof's word, not the hint's")
        self.wait_forwarded("202")

    def test_what_is_tracked_is_not_shown_to_strangers(self):
        self.sandbox.set("open", status="pending")
        self.daemon.track("open")
        answers = []
        for body in ({"merchant_transaction_id": "open"}, {"merchant_transaction_id": "nobody"}, {"no": "id"},
                     "no JSON"):
            reply = self.hint(body)
            headers = {name: value for name, value in reply.headers.items() if name != "date"}
            answers.append((reply.status, reply.body, headers))
        self.assertEqual(answers, [answers[0]] * 4)
        self.assertEqual(answers[0][0], 202)
        self.wait_forwarded("202", "404", "400", "400")

    def test_nothing_else_of_the_api_can_be_reached(self):
        self.sandbox.set("kept", status="pending")
        self.daemon.track("kept")
        described = json.loads((ROOT / "lib" / "api" / "openapi.json").read_text())["paths"]
        before = self.asked_of_the_daemon()
        paths = [path.replace("{id}", "kept").replace("{name}", "backend") for path in described] + ["/"]
        for path in paths:
            for target in (path, f"/proof/..{path}", f"{self.secret_path}/..{path}", f"{self.secret_path}/../..{path}",
                           f"{self.secret_path}{path}",
                           f"{self.secret_path}/%2e%2e{path}", f"{self.secret_path}%2f..%2f..{path}", "/" + path):
                for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
                    reply = self.ask(method, target, {} if method in ("POST", "PUT", "PATCH") else None)
                    self.assertIn(reply.status, (400, 404, 405), f"{method} {target}: {reply}")
                    self.assertNotIn(b"urn:prooftrackd", reply.body, f"{method} {target}")
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
            self.assertEqual(self.ask(method, self.secret_path).status, 403, method)
        # A query of the sender's reaches nobody, and more than a hint needs is refused.
        self.assertEqual(self.ask("POST", f"{self.secret_path}?wait=10m", {"merchant_transaction_id": "kept"}).status,
                         202)
        self.assertEqual(self.hint({"merchant_transaction_id": "kept", "more": "x" * 20000}).status, 413)
        self.wait_forwarded("202", "-")
        wait_until(lambda: ("POST", "/v1/hints") in self.asked_of_the_daemon(), 5, "the hint in the daemon's log")
        self.assertEqual(self.asked_of_the_daemon() - before, {("POST", "/v1/hints")})
        self.assertEqual(self.daemon.get("kept")["state"], "tracking")

    def test_its_logs_hold_no_secret_path(self):
        self.hint({"merchant_transaction_id": "nobody"})
        self.ask("GET", "/v1/status")
        self.wait_forwarded("404", "-")
        self.assertNotIn(self.secret_path, (self.prefix / "hints.log").read_text())

    def test_a_flood_is_turned_away(self):
        statuses = {self.hint({"merchant_transaction_id": f"n-{number}"}).status for number in range(400)}
        self.assertLessEqual(statuses, {202, 429})


if __name__ == "__main__":
    unittest.main()
