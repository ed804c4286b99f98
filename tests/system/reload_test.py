#!/usr/bin/env python3
"""A reload is all or nothing: where polls and webhooks really go after one that was refused, and after one that was
taken."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from harness import SystemCase, new_secret, program, wait_until
from store_switch import about_sqlite

STRANGER = 54321  # not `nobody`: that number is never anybody's


class ReloadCase(SystemCase):
    """An old and a new Proof, an old and a new receiver, and a configuration for each pair."""

    def setUp(self):
        super().setUp()
        self.old, self.new = (self.start_sandbox("--accept-any", "--token", f"{name}-token", name=name)
                              for name in ("old", "new"))
        self.old_shop, self.new_shop = (self.start_receiver(name=f"{name}-shop") for name in ("old", "new"))

    def files_of(self, sandbox):
        return {"base_url": sandbox.base_url, "token_file": str(sandbox.folder / "client_token"),
                "ca_file": sandbox.ca_file}

    def everything_new(self):
        """The configuration in which everything is another one."""
        config = self.make_config([self.callback(self.new_shop), {"name": "ledger", "command": ["/bin/true"]}],
                                  proof=self.files_of(self.new),
                                  api={"admin_group": "daemon"}, log={"level": "info"})
        config["callback_url"] = {"allow_hosts": ["127.0.0.1"], "secret_file": self.new_shop.secret_file}
        return config

    def reload_with(self, config, event):
        before = len(self.daemon.logged(event))
        self.daemon.config = config
        self.daemon.write_config()
        self.daemon.reload()
        return self.daemon.wait_log(event, before + 1)[before:]

    def goes_to(self, identifier, sandbox, shop):
        """Tracks an id that ends, and sees who is asked and who is told."""
        sandbox.set(identifier, status="completed")
        self.daemon.track(identifier)
        delivery = wait_until(lambda: shop.of(identifier), 10, f"{identifier} at the right receiver")[0]
        self.assertTrue(delivery.verified, "signed with the right secret")

    def metric(self, name):
        return float(re.search(rf"^{name} (\S+)$", self.daemon.api("GET", "/metrics").body.decode(), re.M).group(1))


class Refused(ReloadCase):
    def defects(self):
        """What each makes of the new configuration, and the key that is to be blamed."""
        missing, garbage, empty = (str(self.folder / name) for name in ("missing", "garbage", "empty"))
        (self.folder / "garbage").write_text("two words\nand more\n")
        (self.folder / "empty").write_text("\n")

        def put(section, key, value):
            return lambda config: (config[section][0] if isinstance(config[section],
                                                                    list) else config[section]).update({key: value})
        return [
            ("proof.nonsense", put("proof", "nonsense", 1)),
            ("proof.token_file", put("proof", "token_file", missing)),
            ("proof.token_file", put("proof", "token_file", garbage)),
            ("proof.token_file", put("proof", "token_file", empty)),
            ("proof.ca_file", put("proof", "ca_file", missing)),
            ("proof.ca_file", put("proof", "ca_file", garbage)),
            ("callback.secret_file", put("callback", "secret_file", missing)),
            ("callback.secret_file", put("callback", "secret_file", garbage)),
            ("callback.ca_file", put("callback", "ca_file", missing)),
            ("callback.command", lambda config: config["callback"][1].update(command=[missing])),
            ("callback.command", lambda config: config["callback"][1].update(command=[garbage])),
            ("api.admin_group", put("api", "admin_group", "no-such-group")),
            ("api.group", put("api", "group", "no-such-group")),
            ("callback_url.secret_file", put("callback_url", "secret_file", missing)),
        ]

    def ask_as_stranger(self, method, target, body):
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(STRANGER)
                os.setuid(STRANGER)
                answer = str(self.daemon.api(method, target, body).status)
            except BaseException as error:  # noqa: BLE001: whatever it is, the parent is told
                answer = type(error).__name__
            os.write(theirs, answer.encode())
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        return answer

    def test_whatever_is_wrong_everything_old_stays(self):
        daemon = self.start_daemon([self.callback(self.old_shop)], proof=self.files_of(self.old))
        for number, (key, spoil) in enumerate(self.defects()):
            with self.subTest(f"{number}: {key}"):
                config = self.everything_new()
                spoil(config)
                refused = self.reload_with(config, "config.refused")
                self.assertEqual([line["key"] for line in refused], [key], "one mistake, one line")
                self.assertGreater(int(refused[0]["line"]), 0)
                self.assertEqual(refused[0]["file"], str(daemon.config_path))
                self.assertEqual(self.metric("prooftrackd_config_last_reload_successful"), 0)
                self.assertTrue(refused[0]["advice"])
                standing = daemon.status()["config"]
                self.assertEqual(standing["state"], "refused")
                self.assertIn(key, standing["detail"])
                self.goes_to(f"kept-{number}", self.old, self.old_shop)
        self.assertEqual(self.new.log(), [], "nothing was asked of the new Proof")
        self.assertEqual(self.new_shop.deliveries, [], "nothing was sent to the new receiver")
        self.assertEqual({entry["status"] for entry in self.old.log()}, {200}, "the old token alone")
        self.assertEqual((daemon.logged("config.reloaded"), daemon.logged("config.base_url_changed")), ([], []))
        self.reload_with(self.everything_new(), "config.reloaded")
        self.assertEqual(self.metric("prooftrackd_config_last_reload_successful"), 1)
        self.assertEqual((daemon.status()["config"]["state"], daemon.status()["config"]["detail"]), ("ok", None))
        self.goes_to("moved", self.new, self.new_shop)
        self.assertEqual({entry["status"] for entry in self.new.log()}, {200})
        self.assertEqual(self.old.polls("moved"), [])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to be somebody else")
    def test_the_group_stays_too(self):
        self.folder.chmod(0o755)
        daemon = self.start_daemon([self.callback(self.old_shop)], proof=self.files_of(self.old),
                                   api={"mode": "0666", "admin_group": "daemon"})
        body = json.dumps({"merchant_transaction_id": "theirs"})
        self.assertEqual(self.ask_as_stranger("POST", "/v1/transactions", body), "403")
        config = self.everything_new()
        config["api"].update(admin_group="", mode="0660")
        config["proof"]["token_file"] = str(self.folder / "missing")
        self.reload_with(config, "config.refused")
        self.assertEqual(self.ask_as_stranger("POST", "/v1/transactions", body), "403", "the old group guards it")
        config["proof"]["token_file"] = str(self.new.folder / "client_token")
        self.reload_with(config, "config.refused")
        self.assertEqual(daemon.logged("config.refused")[-1]["key"], "api.admin_group",
                         "the mode is the old one until a restart")
        self.assertEqual(self.ask_as_stranger("POST", "/v1/transactions", body), "403")
        config["api"]["admin_group"] = "bin"
        self.reload_with(config, "config.reloaded")
        self.assertEqual(self.ask_as_stranger("POST", "/v1/transactions", body), "403")
        self.assertTrue(daemon.logged("config.restart_required"))

    def test_every_mistake_at_once(self):
        self.start_daemon([self.callback(self.old_shop)], proof=self.files_of(self.old))
        config = self.everything_new()
        for _, spoil in self.defects()[1::4]:
            spoil(config)
        self.reload_with(config, "config.refused")
        lines = self.daemon.wait_log("config.refused", 4)
        self.assertEqual([line["key"] for line in lines],
                         ["proof.token_file", "proof.ca_file", "callback.command", "callback_url.secret_file"])

    def test_a_refused_start_says_so_in_the_log_with_each_place(self):
        daemon = self.make_daemon([self.callback(self.old_shop)],
                                  proof={**self.files_of(self.old), "token_file": str(self.folder / "missing")},
                                  api={"admin_group": "no-such-group"})
        daemon.start(wait=False)
        self.assertEqual(daemon.process.wait(30), 78)
        refused = daemon.logged("config.refused")
        self.assertEqual([line["key"] for line in refused], ["proof.token_file", "api.admin_group"])
        self.assertTrue(all(int(line["line"]) > 0 for line in refused))
        self.assertFalse((self.folder / "state" / "prooftrackd.db").exists(), "nothing was begun")


class Taken(ReloadCase):
    def test_another_base_url_is_pointed_out_also_by_a_reload(self):
        daemon = self.start_daemon([self.callback(self.old_shop)], proof=self.files_of(self.old))
        self.goes_to("before", self.old, self.old_shop)
        self.reload_with(self.everything_new(), "config.reloaded")
        told = daemon.logged("config.base_url_changed")
        self.assertEqual([(line["before"], line["after"]) for line in told], [(self.old.base_url, self.new.base_url)])
        daemon.stop()
        daemon.start()
        self.assertEqual(len(daemon.logged("config.base_url_changed")), 1, "the database has taken note of it")
        self.goes_to("after", self.new, self.new_shop)

    def test_a_replaced_ca_file_is_reread(self):
        bundle = self.folder / "bundle.pem"
        shutil.copy(self.old.ca_file, bundle)
        daemon = self.start_daemon([self.callback(self.old_shop)],
                                   proof={**self.files_of(self.old), "ca_file": str(bundle)},
                                   poll={"probe_interval": "300ms"})
        self.goes_to("first", self.old, self.old_shop)
        # The same address and token, another authority.
        self.old.stop()
        for path in self.old.folder.glob("*.pem"):
            path.unlink()
        self.old.start()
        self.old.set("second", status="completed")
        daemon.track("second")
        wait_until(lambda: daemon.get("second")["consecutive_errors"] > 0, 10, "it is not trusted")
        shutil.copy(self.old.ca_file, bundle)
        daemon.reload()
        daemon.wait_log("config.reloaded")
        wait_until(lambda: self.old_shop.of("second"), 60, "the new file counts")

    def test_a_changed_secret_is_used_and_a_bad_one_is_not(self):
        daemon = self.start_daemon([self.callback(self.old_shop)], proof=self.files_of(self.old))
        fresh = new_secret()
        self.write_secret("old-shop.secret", [fresh])
        self.old_shop.secrets = [fresh]

        def signed_anew():
            number = len(daemon.all_transactions())
            self.old.set(f"s{number}", status="completed")
            daemon.track(f"s{number}")
            return wait_until(lambda: self.old_shop.of(f"s{number}"), 10, "the webhook")[0].verified
        wait_until(signed_anew, 4, "the new secret")
        self.write_secret("old-shop.secret", ["nonsense"])
        warned = wait_until(lambda: daemon.logged("config.warning"), 4, "a warning")
        self.assertEqual((warned[0]["callback"], warned[0]["file"]), ("backend", self.old_shop.secret_file))
        self.assertTrue(signed_anew(), "the last good one")

    def test_a_changed_secret_is_used_also_if_a_reload_is_refused_meanwhile(self):
        daemon = self.start_daemon([self.callback(self.old_shop)], proof=self.files_of(self.old))
        config = self.everything_new()
        config["proof"]["nonsense"] = 1
        self.write_secret("old-shop.secret", [new_secret()])
        self.reload_with(config, "config.refused")  # sooner than the look of each second, but for once in a while
        daemon.wait_log("callback.secret_changed", timeout=4)

    def test_a_changed_token_is_used_and_a_bad_one_is_not(self):
        token = self.folder / "token"
        token.write_text("old-token\n")
        daemon = self.start_daemon([self.callback(self.old_shop)],
                                   proof={**self.files_of(self.old), "token_file": str(token)})
        token.write_text("\n")
        warned = wait_until(lambda: [line for line in daemon.logged("config.warning")
                                     if line.get("file") == str(token)], 4, "a warning")
        self.assertIn("empty", warned[0]["error"])
        self.goes_to("still", self.old, self.old_shop)
        token.write_text("old-token2\n")
        daemon.wait_log("proof.token_changed", timeout=4)


    def test_a_rotation_is_confirmed_by_fingerprints(self):
        def fingerprint(secret):
            return hashlib.sha256(secret.encode()).hexdigest()[:12]

        def shown():
            return {one["name"]: one["fingerprints"] for one in daemon.status()["secrets"]}
        token = self.folder / "token"
        token.write_text("old-token\n")
        secrets = [new_secret(), new_secret(), new_secret()]
        secret_file = self.write_secret("rotated.secret", secrets[:1])
        daemon = self.start_daemon([{"name": "backend", "url": self.old_shop.url, "secret_file": secret_file}],
                                   proof={**self.files_of(self.old), "token_file": str(token)})
        self.assertEqual(shown(), {"client_token": [fingerprint("old-token")],
                                   "callback.backend.secret": [fingerprint(secrets[0])]})
        self.write_secret("rotated.secret", [secrets[1], secrets[0]])
        told = daemon.wait_log("callback.secret_changed", timeout=4)[0]
        both = [fingerprint(secrets[1]), fingerprint(secrets[0])]
        self.assertEqual((told["callback"], told["file"], told["fingerprints"]),
                         ("backend", secret_file, " ".join(both)))
        wait_until(lambda: shown()["callback.backend.secret"] == both, 4, "the status has both")
        self.write_secret("rotated.secret", secrets[1:2])  # the rotation ends
        told = daemon.wait_log("callback.secret_changed", 2, timeout=4)[-1]
        self.assertEqual(told["fingerprints"], both[0])
        wait_until(lambda: shown()["callback.backend.secret"] == both[:1], 4, "the status has the new one alone")
        token.write_text("new-token\n")
        self.assertEqual(daemon.wait_log("proof.token_changed", timeout=4)[0]["fingerprint"], fingerprint("new-token"))
        self.assertEqual(shown()["client_token"], [fingerprint("new-token")])
        other = self.write_secret("other.secret", secrets[2:])
        daemon.config["callback"][0]["secret_file"] = other
        daemon.write_config()
        daemon.reload()
        self.assertEqual(daemon.wait_log("config.reloaded")[-1]["secrets"],
                         f"client_token={fingerprint('new-token')} callback.backend.secret={fingerprint(secrets[2])}")
        self.assertEqual(shown()["callback.backend.secret"], [fingerprint(secrets[2])])
        said = subprocess.run([program("prooftrackctl"), "--socket", daemon.socket, "status"], capture_output=True,
                              text=True, timeout=60, check=True).stdout
        self.assertRegex(said, rf"callback\.backend\.secret +{fingerprint(secrets[2])}")
        everything = said + daemon.process.output() + json.dumps(daemon.status())
        for secret in (*secrets, "new-token"):
            self.assertNotIn(secret, everything)

    @about_sqlite("how far the start is shows in its open file")
    def test_one_that_comes_during_the_start_is_performed_after_it(self):
        """The start waits at the socket, with the old file read; the file is changed, and a reload asked for."""
        self.start_daemon([self.callback(self.old_shop)], proof=self.files_of(self.old))
        self.daemon.stop()
        socket = Path(self.daemon.socket)
        with open(os.open(socket.parent / f".{socket.name}.lock", os.O_CREAT | os.O_RDWR, 0o600), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.daemon.start(wait=False)
            database = str(self.daemon.config["store"]["path"])
            opened = Path("/proc", str(self.daemon.process.popen.pid), "fd")
            wait_until(lambda: any(os.path.realpath(one) == database for one in opened.iterdir()), 10,
                       "the store to be open")
            self.daemon.config = self.everything_new()
            self.daemon.write_config()
            self.daemon.reload()
        self.daemon.wait_log("config.reloaded", 1)
        self.goes_to("after", self.new, self.new_shop)


class Check(ReloadCase):
    def check(self, config=None, env=None, **options):
        daemon = self.make_daemon()
        daemon.config = config or self.everything_new()
        daemon.write_config()
        arguments = [program("prooftrackd"), "--config", str(daemon.config_path), "--check-config"]
        return subprocess.run(arguments, capture_output=True, text=True, timeout=30, env={**os.environ, **(env or {})},
                              **options)

    def test_a_good_one_is_valid_and_nothing_is_done(self):
        done = self.check()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("valid", done.stdout)
        self.assertEqual(list((self.folder / "state").iterdir()), [])
        self.assertFalse((self.folder / "api.sock").exists())

    def test_each_mistake_is_78_and_all_are_named(self):
        config = self.everything_new()
        (self.folder / "no-program").write_text("#!/bin/sh\n")
        config["proof"].update(token_file=str(self.folder / "no-token"), ca_file=str(self.folder / "no-ca"))
        config["callback"][0].update(secret_file=str(self.folder / "no-secret"))
        config["callback"][1].update(command=[str(self.folder / "no-program")])
        config["api"].update(group="no-group", admin_group="no-admins")
        config["callback_url"].update(secret_file=str(self.folder / "no-url-secret"))
        done = self.check(config)
        self.assertEqual(done.returncode, 78)
        self.assertNotIn("valid", done.stdout)
        for word in ("no-token", "no-ca", "no-secret", "no-program", "no-group", "no-admins", "no-url-secret"):
            self.assertRegex(done.stderr, rf"(?m)^\S+prooftrackd\.toml:\d+:\d+: \S+: .*{word}")
        self.assertEqual(len(done.stderr.splitlines()), 7)

    def test_one_alone_is_enough(self):
        for number, (key, spoil) in enumerate(Refused.defects(self)):
            config = self.everything_new()
            spoil(config)
            done = self.check(config)
            self.assertEqual(done.returncode, 78, f"{number} {key}: {done.stdout}")
            self.assertIn(f" {key}: ", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to be somebody else")
    def test_what_it_may_not_read_is_a_warning(self):
        self.folder.chmod(0o755)
        config = self.everything_new()
        closed = self.folder / "closed"
        closed.mkdir(mode=0o700)
        shutil.copy("/bin/true", closed / "credit")
        config["callback"][1].update(command=[str(closed / "credit")])
        as_stranger = {"user": STRANGER, "group": STRANGER, "extra_groups": []}
        done = self.check(config, **as_stranger)
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("client_token", "new-shop.secret", "closed/credit"):
            self.assertRegex(done.stderr, rf"(?m){word}.*Permission denied.*warning")
        config["api"]["admin_group"] = "no-such-group"
        self.assertEqual(self.check(config, **as_stranger).returncode, 78, "a mistake is one for everybody")

    def test_credentials_are_read_where_the_unit_passes_them(self):
        credentials = self.folder / "credentials"
        credentials.mkdir()
        config = self.everything_new()
        del config["proof"]["token_file"]
        del config["callback"][0]["secret_file"]
        passed = {"CREDENTIALS_DIRECTORY": str(credentials)}
        self.assertEqual(self.check(config, passed).returncode, 78, "they were not passed")
        (credentials / "client_token").write_text("new-token\n")
        (credentials / "callback.backend.secret").write_text(new_secret() + "\n")
        self.assertEqual(self.check(config, passed).returncode, 0)
        # What runs for ExecReload= may not read the credentials that systemd names to it; it is told of the process
        # that may.
        daemon = self.make_daemon()
        daemon.config = config
        daemon.start(env={**os.environ, **passed})
        reload = {"MAINPID": str(daemon.process.pid), "CREDENTIALS_DIRECTORY": str(self.folder / "hidden")}
        self.assertEqual(self.check(config, reload).returncode, 0)
        (credentials / "callback.backend.secret").write_text("nonsense\n")
        self.assertEqual(self.check(config, passed).returncode, 78)
        self.assertIn("whsec_", self.check(config, reload).stderr)
        self.assertEqual(self.check(config, {"MAINPID": "1; true"}).returncode, 78, "nobody's credentials")


if __name__ == "__main__":
    unittest.main()
