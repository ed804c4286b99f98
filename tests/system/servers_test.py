#!/usr/bin/env python3
"""Real servers in front of Proof: nginx, Apache, Caddy and HAProxy as a merchant may meet them, each with limits that
it enforces while the daemon polls. No poll fails, none is early or late, and the protocol is the one that was offered.

The optimised build is used when tests/run made one, as in cadence_test. The servers run in the test's folder, on
loopback, and are its children. """

import collections
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest
from datetime import datetime

RELEASE = os.environ.get("PROOFTRACK_RELEASE_BIN")
if RELEASE and os.path.exists(os.path.join(RELEASE, "daemon", "prooftrackd")):
    os.environ["PROOFTRACK_BIN"] = RELEASE

from harness import Process, SystemCase, wait_until  # noqa: E402

COUNT, SECONDS = (int(n) for n in os.environ.get("PROOFTRACK_SERVERS", "1000 6").split())
# So many that a small machine does not make them through a proxy: each server answers by itself, in the default band,
# Apache, whose request costs most, in one twice as long.
DIRECT = COUNT >= 10_000
BAND = (5.0, 10.0) if DIRECT else (2.0, 4.0)
APACHE_BAND = (10.0, 20.0) if DIRECT else BAND
# Times are the servers' own of when they got the request: behind them stands their queue.
LATE = float(os.environ.get("PROOFTRACK_LATE", "0.5"))

NGINX = """
daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log; worker_rlimit_nofile 8192; {user}
events {{ worker_connections 4096; }}
http {{
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  log_format polls '$server_protocol $msec $request_time $uri $connection_requests';
  keepalive_requests {requests}; http2_max_concurrent_streams 8;
  upstream proof {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} ssl {http2}; server_name localhost; access_log {dir}/access.log polls;
    ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
    {answer}
  }}
}}
"""
APACHE = """
ServerName localhost
ServerRoot {dir}
PidFile {dir}/apache.pid
DefaultRuntimeDir {dir}
Mutex file:{dir}
ErrorLog {dir}/error.log
LogLevel warn
{user}
{modules}
Listen 127.0.0.1:{port}
Protocols {protocols}
KeepAlive On
MaxKeepAliveRequests 100
KeepAliveTimeout 2
H2MaxSessionStreams 10
ThreadsPerChild 64
ServerLimit {servers}
MaxRequestWorkers {workers}
LogFormat "%H %{{sec}}t.%{{usec_frac}}t 0 %U %k" polls
CustomLog {dir}/access.log polls
SSLEngine on
SSLCertificateFile {dir}/cert.pem
SSLCertificateKeyFile {dir}/key.pem
SSLProxyEngine on
SSLProxyVerify require
SSLProxyCACertificateFile {ca}
{answer}
"""
# Not fewer workers than the daemon has connections: Apache would close those that have just been used.
APACHE_SERVERS = 17 if DIRECT else 4
APACHE_MODULES = "mpm_event authn_core authz_core ssl http2 proxy proxy_http".split()
CADDY = """
{{
  admin off
  auto_https off
  storage file_system {dir}/caddy
  log {{
    level ERROR
  }}
  servers {{
    protocols {protocols}
    timeouts {{
      idle 1s
    }}
  }}
}}
https://localhost:{port} {{
  bind 127.0.0.1
  tls {dir}/cert.pem {dir}/key.pem
  log {{
    output file {dir}/access.log {{
      roll_disabled
    }}
    level INFO
  }}
  {answer}
}}
"""
HAPROXY = """
global
  maxconn 4096
  tune.h2.max-concurrent-streams 10
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout http-keep-alive 1s
frontend merchant
  bind 127.0.0.1:{port} ssl crt {dir}/both.pem alpn {alpn}
  log stdout format raw local0
  log-format "%HV %tr %HP %rt"
  {answer}
"""
# How each gets its answers: from the sandbox, or from itself.
NGINX_ANSWER = r"""location / {{
      proxy_pass https://proof; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca}; proxy_ssl_name localhost;
    }}""", r"""location ~ ^/widget/transactions/(?<id>.+)$ {{
      default_type application/json; return 200 '{{"merchant_transaction_id":"$id","status":"pending"}}';
    }}"""
APACHE_ANSWER = "ProxyPass / https://localhost:{upstream}/", """DocumentRoot {dir}/www
<Directory {dir}/www>
  Require all granted
  ForceType application/json
</Directory>"""
CADDY_ANSWER = """reverse_proxy https://127.0.0.1:{upstream} {{
    transport http {{
      tls_trusted_ca_certs {ca}
      tls_server_name localhost
    }}
  }}""", """@poll path_regexp id ^/widget/transactions/(.+)$
  header Content-Type application/json
  respond @poll `{{"merchant_transaction_id":"{{re.id.1}}","status":"pending"}}` 200"""
HAPROXY_ANSWER = """default_backend proof
backend proof
  http-reuse always
  server proof 127.0.0.1:{upstream} ssl verify required ca-file {ca} sni str(localhost) verifyhost localhost""", (
    r"""http-request return status 200 content-type application/json lf-string """
    r""""{{\"merchant_transaction_id\":\"%[path,field(4,/)]\",\"status\":\"pending\"}}" """)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Servers(SystemCase):
    band = BAND

    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)  # for the workers, which are nobody
        self.start_sandbox("--accept-any")
        self.port = free_port()
        self.values = {"dir": self.folder, "port": self.port, "upstream": self.sandbox.listen.rsplit(":", 1)[1],
                       "ca": self.sandbox.ca_file}
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", self.folder / "key.pem", "-out", self.folder / "cert.pem"], check=True,
                       capture_output=True, timeout=30)

    def start_server(self, template, answers, command, **values):
        config = self.folder / "server.conf"
        answer = answers[DIRECT].format(**self.values)
        config.write_text(template.format(**self.values, **values, answer=answer))
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        server = Process([word.format(config=config, dir=self.folder) for word in command],
                         self.folder / "server.log", environment)
        self.addCleanup(self.stop_server, server)
        wait_until(lambda: self.listens() or not server.alive(), 20, "the server's port")
        self.assertTrue(server.alive(), server.output()[-3000:])
        return server

    def stop_server(self, server):
        """Asked to end, so that its workers end with it."""
        server.signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
        if self._failed():
            print(f"--- the server's output ({self.id()})\n{server.output()[-1500:]}")

    def listens(self):
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def poll_for_a_while(self, server, protocol, **proof):
        """Nothing but good replies. The server has ended then, so that its log is complete."""
        if DIRECT:
            proof.pop("connections", None)
        self.interval = [f"{limit:g}s" for limit in self.band]
        self.start_daemon([], log={"level": "warning"},
                          proof={"base_url": f"https://localhost:{self.port}", "ca_file": str(self.folder / "cert.pem"),
                                 **proof})
        self.daemon.import_ids(self.ids())
        wait_until(self.are_all_seen, 20 + COUNT / 1000, "the first reply of each")
        self.spread_at = time.time()
        time.sleep(SECONDS)
        results = self.results()
        self.assertEqual({name for name, polls in results.items() if polls}, {"good", "unchanged"}, results)
        self.assertEqual(self.daemon.status()["proof"]["protocol"],
                         {"HTTP/1.1": "http/1.1", "HTTP/2.0": "h2"}[protocol])
        self.daemon.stop()
        server.stop()

    @staticmethod
    def ids():
        return [f"00000000-0000-4000-8000-{n:012}" for n in range(COUNT)]

    def are_all_seen(self):
        return self.daemon.status()["transactions"]["by_status"].get("pending", 0) >= COUNT

    def check_log(self, entries, protocol, lost=0):
        """(protocol, seconds, path) of each request: the gaps between the polls of one id lie in the band. Not those of
        the import, when all were asked at once and the server had them wait. `lost` lines make one gap of two."""
        self.assertEqual({entry[0] for entry in entries}, {protocol})
        by_id = collections.defaultdict(list)
        for _, at, path in entries:
            if at >= self.spread_at:
                by_id[path].append(at)
        self.assertEqual(len(by_id), COUNT, "everybody was asked")
        gaps = [later - earlier for times in map(sorted, by_id.values()) for earlier, later in zip(times, times[1:])]
        gaps.sort()
        print(f"{len(entries)} polls, gaps {gaps[0]:.3f} to {gaps[-1]:.3f} s, {lost} lines lost")
        while lost > 0 and gaps[-1] > self.band[1] + LATE:
            self.assertLessEqual(gaps.pop(), 2 * self.band[1] + LATE, "asked too late")
            lost -= 1
        self.assertGreater(len(gaps), COUNT / 2)
        self.assertGreaterEqual(gaps[0], self.band[0] - LATE, "asked too early")
        self.assertLessEqual(gaps[-1], self.band[1] + LATE, "asked too late")

    def results(self):
        """How many polls had which result."""
        text = self.daemon.api("GET", "/metrics").body.decode()
        return {name: float(value)
                for name, value in re.findall(r'^prooftrackd_polls_total\{result="(\w+)"\} (\S+)', text, re.M)}

    def check_plain_log(self, protocol):
        """Lines of protocol, end, duration, path and the request's number in its connection: returns the highest."""
        lines = [line.split() for line in (self.folder / "access.log").read_text().splitlines()]
        self.check_log([(line[0], float(line[1]) - float(line[2]), line[3]) for line in lines], protocol)
        return max(int(line[4]) for line in lines)

    def poll_through_nginx(self, http2, requests, protocol, connections):
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        server = self.start_server(NGINX, NGINX_ANSWER,
                                   [nginx, "-c", "{config}", "-p", "{dir}", "-e", "{dir}/error.log"],
                                   http2=http2, requests=requests,
                                   user="user nobody nogroup;" if os.geteuid() == 0 else "")
        self.poll_for_a_while(server, protocol, connections=connections)
        self.assertEqual(self.check_plain_log(protocol), requests, "the limit of requests was reached")

    def poll_through_apache(self, protocols, protocol, connections):
        """With more polls at once than it has workers Apache closes idle connections, and has some streams wait."""
        self.band = APACHE_BAND
        modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
                            for name in APACHE_MODULES)
        if DIRECT:
            answers = self.folder / "www" / "widget" / "transactions"
            answers.mkdir(parents=True)
            for one in self.ids():
                (answers / one).write_text(json.dumps({"merchant_transaction_id": one, "status": "pending"}))
        apache = shutil.which("apache2") or "/usr/sbin/apache2"
        server = self.start_server(APACHE, APACHE_ANSWER, [apache, "-DFOREGROUND", "-f", "{config}"],
                                   protocols=protocols, modules=modules,
                                   servers=APACHE_SERVERS, workers=64 * APACHE_SERVERS,
                                   user="User nobody\nGroup nogroup" if os.geteuid() == 0 else "")
        self.poll_for_a_while(server, protocol, connections=connections)
        return self.check_plain_log(protocol)

    def poll_through_caddy(self, protocols, protocol, **proof):
        server = self.start_server(CADDY, CADDY_ANSWER,
                                   ["caddy", "run", "--config", "{config}", "--adapter", "caddyfile"],
                                   protocols=protocols)
        self.poll_for_a_while(server, protocol, **proof)
        with open(self.folder / "access.log") as log:  # gigabytes, when it is polled for long
            lines = [(line["request"]["proto"], line["ts"] - line["duration"], line["request"]["uri"])
                     for line in map(json.loads, log)]
        self.check_log(lines, protocol)

    def poll_through_haproxy(self, alpn, protocol):
        (self.folder / "both.pem").write_text((self.folder / "cert.pem").read_text() +
                                              (self.folder / "key.pem").read_text())
        haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
        server = self.start_server(HAPROXY, HAPROXY_ANSWER, [haproxy, "-db", "-f", "{config}"], alpn=alpn)
        self.poll_for_a_while(server, protocol)
        # 2.6 writes each line twice, and loses some: the last field is the request's own number.
        lines = [line.split() for line in set(server.output().splitlines()) if line.startswith("HTTP/")]
        numbers = [int(line[3]) for line in lines]
        self.check_log([(version, datetime.strptime(at, "%d/%b/%Y:%H:%M:%S.%f").timestamp(), path)
                        for version, at, path, _ in lines], protocol,
                       lost=max(numbers) - min(numbers) + 1 - len(set(numbers)))

    def test_nginx_http_1_1(self):
        self.poll_through_nginx("", 100, "HTTP/1.1", connections=16)

    def test_nginx_http_2(self):
        self.poll_through_nginx("http2", 400, "HTTP/2.0", connections=2)

    def test_apache_http_1_1(self):
        most = self.poll_through_apache("http/1.1", "HTTP/1.1", connections=32)
        self.assertEqual(most, 100, "the limit of requests was reached")

    def test_apache_http_2(self):
        self.poll_through_apache("h2 http/1.1", "HTTP/2.0", connections=4)

    def test_caddy_http_1_1(self):
        self.poll_through_caddy("h1 h2", "HTTP/1.1", http="1.1")

    def test_caddy_http_2(self):
        self.poll_through_caddy("h1 h2", "HTTP/2.0")

    def test_haproxy_http_1_1(self):
        self.poll_through_haproxy("http/1.1", "HTTP/1.1")

    def test_haproxy_http_2(self):
        self.poll_through_haproxy("h2,http/1.1", "HTTP/2.0")


if __name__ == "__main__":
    unittest.main()
