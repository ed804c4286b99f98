#!/usr/bin/env python3
"""prooftrackctl reconcile and POST /v1/reconcile with the real daemon: planted differences of every class, all found,
and no other; both say the same."""

import collections
import gzip
import html.parser
import json
import os
import pathlib
import re
import stat
import subprocess
import unittest

from harness import SystemCase, program, wait_until

CLASSES = ("unknown_here", "reversed_since", "status_differs", "amount_differs", "credited_but_not_completed",
           "completed_but_not_credited", "not_delivered", "still_open", "here_but_not_given")
EACH = 3
VOID = {"meta", "br", "line", "rect"}
NDJSON, CSV = "application/x-ndjson", "text/csv"


class Page(html.parser.HTMLParser):
    """Which elements are there, and whether each is closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text, self.cells = [], collections.Counter(), "", []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        for name, value in attributes:
            assert name not in ("src", "href") and not name.startswith("on"), (tag, name, value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags[tag] += 1

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


class Reconcile(SystemCase):
    def proof(self, identifier, status, amount="100.00"):
        self.sandbox.set(identifier, body=json.dumps({
            "merchant_transaction_id": identifier, "status": status, "fiat_amount": amount, "fiat_currency": "EUR"}))

    def setUp(self):
        super().setUp()
        self.start_sandbox("--accept-any")
        receiver = self.start_receiver()
        receiver.answer = lambda delivery: 500 if "not_delivered" in delivery.body.decode() else 204
        # Asked again so often that one time comes after Proof's word was changed below, however busy the machine is.
        daemon = self.start_daemon([self.callback(receiver, retry_schedule=["24h"])],
                                   poll={"verify_after": ["1s", "2s", "4s", "8s", "16s", "32s"]})
        self.rows, self.planted = [], {kind: set() for kind in CLASSES}
        for kind in (*CLASSES, "agrees"):
            for number in range(EACH):
                self.plant(kind, f"{kind}-{number}")
        daemon.import_ids([f"{kind}-{number}" for kind in (*CLASSES[1:], "agrees") for number in range(EACH)])
        for number in range(EACH):
            daemon.wait_state(f"reversed_since-{number}", "settled")
            self.proof(f"reversed_since-{number}", "failed")
        settled = EACH * (len(CLASSES) - 2 + 1)
        wait_until(lambda: daemon.status()["transactions"]["by_status"].get("pending") == EACH
                   and daemon.status()["transactions"]["by_state"]["settled"] == settled
                   and len([e for e in daemon.events() if e["type"] == "transaction.reversed"]) == EACH,
                   60, "all have ended, and some again")
        wait_until(lambda: {d["merchant_transaction_id"] for d in
                            daemon.api("GET", "/v1/deliveries?state=pending").json["deliveries"]}
                   == self.planted["not_delivered"], 20, "all but the planted ones are delivered")

    def plant(self, kind, identifier):
        believed = {"status": "completed", "fiat_amount": "100", "credited": "true"}
        status = "completed"
        if kind == "status_differs":
            believed = {"status": "cancelled", "fiat_amount": "100", "credited": ""}
        elif kind == "amount_differs":
            believed["fiat_amount"] = "100.01"
        elif kind == "credited_but_not_completed":
            status = believed["status"] = "failed"
        elif kind == "completed_but_not_credited":
            believed["credited"] = "false"
        elif kind == "still_open":
            status, believed = "pending", {"status": "pending", "fiat_amount": "", "credited": "false"}
        if kind in self.planted:
            self.planted[kind].add(identifier)
        if kind != "unknown_here":
            self.proof(identifier, status)
        if kind != "here_but_not_given":
            self.rows.append({"merchant_transaction_id": identifier, **believed})

    def csv(self, name="april.csv", rows=None, mark="\ufeff", end="\r\n", more=()):
        lines = ["order,merchant_transaction_id,status,fiat_amount,credited"]
        lines += [f'"A ""{number}"", x",{row["merchant_transaction_id"]},{row["status"]},{row["fiat_amount"]},'
                  f'{row["credited"]}' for number, row in enumerate(self.rows if rows is None else rows)]
        path = self.folder / name
        path.write_text(mark + end.join([*lines, *more]) + end, newline="")
        return str(path)

    def ndjson(self):
        return "".join(json.dumps({**row, "credited": {"true": True, "false": False, "": None}[row["credited"]],
                                   "fiat_amount": row["fiat_amount"] or None}) + "\n" for row in self.rows)

    def post(self, body, kind, query="", **options):
        return self.daemon.api("POST", "/v1/reconcile" + query, body, {"Content-Type": kind}, **options)

    def ctl(self, *arguments, expect=1, stdin=None):
        done = subprocess.run([program("prooftrackctl"), "--socket", self.daemon.socket, *arguments], input=stdin,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, expect, f"{arguments}: {done.stdout} {done.stderr}")
        return done.stdout, done.stderr

    def found(self, *arguments, expect=1, stdin=None):
        lines = [json.loads(line) for line in self.ctl("--json", "reconcile", *arguments, expect=expect,
                                                       stdin=stdin)[0].splitlines()]
        by_class = {kind: set() for kind in CLASSES}
        for one in lines[:-1]:
            if "class" in one:
                self.assertNotIn(one["merchant_transaction_id"], by_class[one["class"]])
                by_class[one["class"]].add(one["merchant_transaction_id"])
                self.assertTrue(one["what_to_do"])
        return by_class, [one for one in lines[:-1] if "error" in one], lines[-1]["summary"]

    def test_every_class_is_found_and_nothing_else(self):
        by_class, unreadable, summary = self.found(self.csv())
        self.assertEqual(by_class, self.planted)
        self.assertEqual(unreadable, [])
        self.assertEqual(summary["differences"], {kind: EACH for kind in CLASSES})
        self.assertEqual((summary["given"], summary["here"], summary["agreed"], summary["differing"]),
                         (9 * EACH, 9 * EACH, EACH, 9 * EACH))
        # By the list: all but completed_but_not_credited, still_open and those that are not in it (status_differs has
        # no credit, and no `completed`). Here: agrees, amount_differs, completed_but_not_credited, not_delivered,
        # status_differs, here_but_not_given.
        euros = {total["fiat_currency"]: total for total in summary["totals"]}
        self.assertEqual(euros["EUR"]["given"], {"payments": 5 * EACH, "fiat_amount": "1500.03", "without_amount": 0})
        self.assertEqual(euros["EUR"]["here"], {"payments": 6 * EACH, "fiat_amount": "1800.00", "without_amount": 0})
        self.assertEqual(euros["EUR"]["difference"], "-299.97")
        self.assertEqual(euros[None]["given"]["fiat_amount"], "300")

        self.assertEqual(self.found("-", stdin=self.ndjson())[0], self.planted)

    def test_the_call_says_the_same_line_by_line(self):
        bad = ["x,a b,,,", "x,agrees-0,failed,1,true", 'x,unreadable,completed,"100,00",true', "x,short", '"x"y,,,,']
        table = self.csv(more=bad)
        lines = self.ndjson() + 'not an object\n{"merchant_transaction_id": "agrees-1"}\n{"status": "failed"}\n'
        for body, kind, more in ((pathlib.Path(table).read_text(), CSV, len(bad)), (lines, NDJSON, 3)):
            (self.folder / "list").write_text(body, newline="")
            reply = self.post(body, kind)
            self.assertEqual((reply.status, reply.headers["content-type"], reply.headers["transfer-encoding"]),
                             (200, NDJSON, "chunked"), reply)
            called = reply.body.decode().splitlines()
            told = self.ctl("--json", "reconcile", str(self.folder / "list"))[0].splitlines()
            # Class by class, then what cannot be read, then the summary; inside a class as the list is, or the
            # oldest first.
            place = lambda one: (CLASSES.index(one["class"]) if "class" in one else 9 if "error" in one else 10)
            for given in (called, told):
                places = [place(json.loads(line)) for line in given]
                self.assertEqual(places, sorted(places))
            self.assertEqual(sorted(called), sorted(told))
            self.assertEqual(called[-1], told[-1])
            missing = lambda lines: [one for one in map(json.loads, lines) if one.get("class") == "here_but_not_given"]
            self.assertEqual(missing(called), missing(told))
            for one in missing(called):  # one line hides its id
                self.assertIn("mend those lines and compare again", one["what_to_do"])
            by_class = {kind: set() for kind in CLASSES}
            for one in map(json.loads, called[:-more - 1]):
                by_class[one["class"]].add(one["merchant_transaction_id"])
            self.assertEqual(by_class, self.planted)
            self.assertEqual(sum("error" in json.loads(line) for line in called), more)

        month = "?since=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z"
        summary = json.loads(self.post(self.ndjson(), NDJSON, month).body.splitlines()[-1])["summary"]
        self.assertEqual((summary["differing"], summary["since"]), (8 * EACH, "2020-01-01T00:00:00.000Z"))

    def test_the_call_refuses_what_is_no_list_or_too_long(self):
        header = "merchant_transaction_id\n"
        for body, kind, status, code in (
                (header, "text/plain", 415, "unsupported_media_type"),
                (header, "application/json", 415, "unsupported_media_type"),
                ("order,status\n1,completed\n", CSV, 400, "invalid_request"),
                ("", CSV, 400, "invalid_request"), ("[]", NDJSON, 400, "invalid_request"),
                (header + "a\n" * 1_000_000, CSV, 413, "too_large")):
            self.assert_problem(self.post(body, kind), status, code)
        self.assert_problem(self.post(header, CSV, "?since=2021-01-01"), 400, "invalid_request")
        for body in (header + "a\n" * 1_000_000, header + "x" * (32 << 20)):
            self.assertIn("prooftrackctl reconcile", self.post(body, CSV).json["detail"])

    def test_the_call_holds_nothing_up_and_sees_one_state(self):
        # So much differs that it does not fit into the socket.
        table = "merchant_transaction_id\n" + "".join(f"unknown-{number}\n" for number in range(20_000))
        def begin():  # the place of one that another test has read to its end is free a moment later
            connection = self.daemon.connection()
            connection.request("POST", "/v1/reconcile", table, {"Content-Type": CSV})
            reply = connection.getresponse()
            if reply.status == 200:
                return connection, reply
            connection.close()
            return None

        going = [wait_until(begin, 10, "a place") for _ in range(4)]
        full = self.post(table, CSV)
        self.assert_problem(full, 503, "unavailable")
        self.assertIn("4 exports and reconciliations", full.json["detail"])
        self.assert_problem(self.daemon.api("GET", "/v1/export/events"), 503, "unavailable")

        self.proof("later", "completed")
        self.daemon.track("later")
        self.daemon.wait_state("later", "settled")
        found = [json.loads(line) for line in going[0][1].read().splitlines()]
        self.assertEqual(len([one for one in found if one.get("class") == "unknown_here"]), 20_000)
        missing = {one["merchant_transaction_id"] for one in found if one.get("class") == "here_but_not_given"}
        self.assertEqual(len(missing), 9 * EACH)
        self.assertNotIn("later", missing)
        # Whoever leaves makes room, as whoever has taken all.
        going[1][0].close()
        answers = lambda: (lambda reply: reply if reply.status == 200 else None)(self.post("{}", NDJSON))
        now = [json.loads(line) for line in wait_until(answers, 10, "room for another").body.splitlines()]
        self.assertIn("later", {one.get("merchant_transaction_id") for one in now})
        self.assertEqual(now[-2]["line"], 1)
        for connection, _ in going:
            connection.close()

    def test_exit_0_only_when_nothing_differs_and_every_line_is_read(self):
        agreed = [row for row in self.rows if row["merchant_transaction_id"].startswith("agrees")]
        past = ("--until", "2020-01-01")
        _, _, summary = self.found(self.csv(rows=agreed), *past, expect=0)
        self.assertEqual((summary["agreed"], summary["differing"], summary["until"]),
                         (EACH, 0, "2020-01-01T00:00:00.000Z"))
        bad = ["x,a b,,,", "x,agrees-0,completed,100,true", "x,unreadable,completed,\"100,00\",true", "x,short"]
        by_class, unreadable, _ = self.found(self.csv(rows=agreed, more=bad), *past)
        self.assertEqual(sum(map(len, by_class.values())), 0)
        self.assertEqual([one["line"] for one in unreadable], [EACH + 2, EACH + 3, EACH + 4, EACH + 5])
        self.assertIn("line 2 already", unreadable[1]["error"])
        out, _ = self.ctl("reconcile", self.csv(rows=agreed), *past, expect=0)
        self.assertRegex(out, rf"EUR +{EACH}00 +{EACH} +{EACH}00\.00 +{EACH} +0\.00")

    def test_people_get_tables_by_class(self):
        out, _ = self.ctl("reconcile", self.csv(mark="", end="\n"))
        for kind in CLASSES:
            self.assertIn(f"({kind}): {EACH}\n", out)
            for identifier in self.planted[kind]:
                self.assertEqual(out.count(identifier), 1)
        self.assertLess(out.index("(unknown_here)"), out.index("(here_but_not_given)"))
        self.assertIn(f"{EACH} agree, {9 * EACH} differ.", out)

    def test_a_reader_that_goes_away_does_not_make_it_clean(self):
        listed = self.csv()
        for arguments in ((), ("--json",)):
            process = subprocess.Popen([program("prooftrackctl"), "--socket", self.daemon.socket, *arguments,
                                        "reconcile", listed], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            process.stdout.close()
            self.assertEqual((process.wait(60), process.stderr.read()), (1, b""))
            process.stderr.close()

    def test_the_report(self):
        report = self.folder / "april.html"
        hostile = ['x,agrees-9,<script>alert(1)</script>,100,true', "x,<img src=x onerror=y>,,,"]
        self.ctl("reconcile", self.csv(name="<b>&.csv", more=hostile), "--report", str(report))
        self.assertEqual(stat.S_IMODE(report.stat().st_mode), 0o600)
        text = report.read_text()
        page = Page()
        page.feed(text)
        page.close()
        self.assertEqual(page.open, [])
        self.assertEqual((page.tags["script"], page.tags["img"], page.tags["b"], page.tags["link"]), (0, 0, 0, 0))
        self.assertEqual(page.tags["svg"], 1)
        self.assertNotRegex(text, r"https?:|url\(|@import")
        cells = collections.Counter(page.cells)
        for kind in CLASSES:
            for identifier in self.planted[kind]:
                self.assertEqual(cells[identifier], 1, identifier)
        self.assertIn("<script>alert(1)</script>", page.text)
        self.assertIn("<b>&.csv", page.text)
        self.assertIn("-299.97", page.text)
        self.assertRegex(page.text, r"\b[0-9a-f]{64}\b")
        _, err = self.ctl("reconcile", self.csv(), "--report", str(self.folder / "no" / "such.html"))
        self.assertIn("such.html", err)
        _, err = self.ctl("reconcile", self.csv(), "--report", str(report))
        self.assertIn("--force", err)
        self.assertEqual(report.read_text(), text)
        self.ctl("reconcile", self.csv(), "--report", str(report), "--force")
        self.assertNotIn("onerror", report.read_text())
        self.assertEqual([path.name for path in self.folder.glob("april.html*")], ["april.html"])

    def test_a_report_replaces_nothing_but_a_report(self):
        listed = self.csv()
        before = pathlib.Path(listed).read_text()
        for name, why in ((listed, "is what is read"), (str(self.folder / "pipe"), "--force does not replace")):
            if not os.path.exists(name):
                os.mkfifo(name)
            _, err = self.ctl("reconcile", listed, "--report", name, "--force")
            self.assertIn(why, err)
        self.assertEqual(pathlib.Path(listed).read_text(), before)
        self.assertTrue(stat.S_ISFIFO(os.stat(self.folder / "pipe").st_mode))
        for name in ("", "-"):
            self.assertIn("needs the name of a file", self.ctl("reconcile", listed, "--report", name, expect=64)[1])

    def test_a_list_that_would_be_taken_for_an_empty_one(self):
        only_cr = self.folder / "cr.csv"
        only_cr.write_bytes(b"status,merchant_transaction_id\rcompleted,agrees-0\r")
        self.assertIn("carriage return", self.ctl("reconcile", str(only_cr))[1])
        _, err = self.ctl("reconcile", self.csv(), "--since", "2030-01-01", "--until", "2029-01-01", expect=64)
        self.assertIn("not later than --since", err)

    def test_what_is_no_list_and_who_is_not_there(self):
        packed = self.folder / "april.csv.gz"
        packed.write_bytes(gzip.compress(b"merchant_transaction_id\n"))
        report = self.folder / "never.html"
        for name, why in ((str(packed), "gunzip"), (self.csv(rows=[]).replace("april.csv", "none.csv"), "none.csv")):
            out, err = self.ctl("reconcile", name, "--report", str(report))
            self.assertEqual(out, "")
            self.assertIn(why, err)
        wrong = self.folder / "wrong.csv"
        wrong.write_text("id,status\n1,completed\n")
        self.assertIn("merchant_transaction_id", self.ctl("reconcile", str(wrong))[1])
        self.assertEqual(self.daemon.stop(), 0)
        out, _ = self.ctl("reconcile", self.csv(), "--report", str(report), expect=69)
        self.assertEqual(out, "")
        self.assertFalse(report.exists())
        self.assertFalse(re.findall(r"never", " ".join(path.name for path in self.folder.iterdir())))


if __name__ == "__main__":
    unittest.main()
