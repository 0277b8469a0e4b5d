"""What a murder survives: kill -9 of each kind of node, and a back-end that joins while it runs.

usage: outage.py SCENARIO BINARIES DATA BASE_PORT [ROUNDS]
"""

import collections
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from murder import Murder, fetch_whole, message, no, ok, uids, wait_for_subject, within


class System(Murder):
    """A murder of separate processes, which this scenario may kill and start again."""

    def __init__(self, binaries, data, base_port):
        self.binaries, self.data = binaries, data
        path = os.path.join(data, "endpoints.json")
        self.log = open(os.path.join(data, "murder.log"), "wb")
        self.program = subprocess.Popen(
            [os.path.join(binaries, "murder"), "--data", data, "--base-port", str(base_port), "--until-stdin-closes"],
            stdin=subprocess.PIPE, stdout=self.log, stderr=self.log,
        )
        self.again = {}
        within(60, "a running murder", lambda: os.path.exists(path) or self.program.poll() is not None)
        assert self.program.poll() is None, "murder ended"
        super().__init__(path)

    def node(self, name):
        nodes = [self.endpoints["master"], *self.endpoints["frontends"], *self.endpoints["backends"]]
        return next(node for node in nodes if node["name"] == name)

    def kill(self, name):
        if name in self.again:
            self.again.pop(name).kill()
        else:
            os.kill(self.node(name)["pid"], signal.SIGKILL)
        host, port = self.node(name)["admin"].rsplit(":", 1)

        def closed():
            with socket.socket() as probe:
                return probe.connect_ex((host, int(port))) != 0

        within(5, f"{name} is gone", closed)

    def start(self, name, wait=True):
        role = name.rstrip("0123456789")
        file = os.path.join(self.data, f"{name}.toml")
        log = open(os.path.join(self.data, f"{name}.again.log"), "ab")
        self.again[name] = subprocess.Popen([os.path.join(self.binaries, role), "--config", file], stdout=log, stderr=log)
        if wait:
            self.wait_until_up(name)

    def wait_until_up(self, name):
        with open(os.path.join(self.data, f"{name}.toml")) as file:
            port = int(re.search(r'(?:mupdate|imap) = "[^"]*:(\d+)"', file.read()).group(1))

        def open_():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        within(30, f"{name} is up", open_)

    def control(self, *words):
        done = subprocess.run(
            [os.path.join(self.binaries, "murderctl"), "--data", self.data, "--json", *words], capture_output=True, timeout=30
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return json.loads(done.stdout or b"null")

    def lists(self):
        """The mailbox list of the master and of each front-end, in one comparable form."""
        names = [self.endpoints["master"]["name"]] + [node["name"] for node in self.endpoints["frontends"]]
        return [json.dumps(self.control("list", "--node", name), sort_keys=True) for name in names]

    def stop(self):
        for process in self.again.values():
            process.kill()
        self.program.stdin.close()
        try:
            self.program.wait(timeout=20)
        finally:
            self.program.kill()


def count_subject(client, subject):
    ok(client.select("INBOX"))
    return len(uids(client, "HEADER", "SUBJECT", f'"{subject}"'))


def backend_killed(system):
    """alice and bob read on undisturbed, mail for carol waits in the queue; after restart it arrives once."""
    alice = system.imap(0, "alice")
    carol = system.imap(1, "carol")
    system.send(0, [system.address("alice"), system.address("carol")], message("before the kill"))
    uid = wait_for_subject(alice, "before the kill")
    wait_for_subject(carol, "before the kill")
    system.kill("backend2")
    assert fetch_whole(alice, uid).endswith(message("before the kill"))
    for frontend in (0, 1):
        refused = system.send(frontend, [system.address("carol"), system.address("bob")], message(f"while dead {frontend}"))
        assert refused == {}, refused
    bob = system.imap(1, "bob")
    for frontend in (0, 1):
        wait_for_subject(bob, f"while dead {frontend}")
    wait_for_subject(alice, "before the kill")
    # carol can log in; her mailboxes are not available, and nothing says that they are gone.
    late = system.imap(0, "carol")
    answer = no(late.select("INBOX"))
    assert b"UNAVAILABLE" in answer, answer
    late.logout()
    queued = sum(len(system.control("queue", "list", "--node", f"frontend{n}")) for n in (1, 2))
    assert queued == 2, queued
    system.start("backend2")
    carol = within(20, "carol's INBOX", lambda: reachable(system, "carol"))
    for frontend in (0, 1):
        wait_for_subject(carol, f"while dead {frontend}", seconds=60)
    time.sleep(1)
    for subject in ("before the kill", "while dead 0", "while dead 1"):
        assert count_subject(carol, subject) == 1, subject
        assert subject == "before the kill" or count_subject(bob, subject) == 1, subject


def reachable(system, login, frontend=0):
    client = system.imap(frontend, login)
    if client.select("INBOX")[0] == "OK":
        return client
    client.logout()
    return None


def master_killed(system):
    """Reading, flags and delivery go on; CREATE answers NO with a reason; after restart all lists agree."""
    alice = system.imap(0, "alice")
    ok(alice.create("Before"))
    system.send(0, [system.address("alice")], message("first"))
    wait_for_subject(alice, "first")
    system.kill("master")
    ok(alice.select("INBOX"))
    ok(alice.store("1", "+FLAGS", r"(\Flagged)"))
    assert ok(alice.fetch("1", "(FLAGS)"))
    for frontend in (0, 1):
        assert system.send(frontend, [system.address("alice"), system.address("dave")], message(f"no master {frontend}")) == {}
        wait_for_subject(alice, f"no master {frontend}")
    answer = no(alice.create("During"))
    assert b"UNAVAILABLE" in answer, answer
    answer = no(alice.rename("Before", "After"))
    assert b"UNAVAILABLE" in answer, answer
    ok(alice.delete("Before"))
    alice.logout()
    fresh = system.imap(1, "dave")
    wait_for_subject(fresh, "no master 1")
    # A front-end that starts without the master knows what it knew.
    system.kill("frontend1")
    system.start("frontend1")
    again = system.imap(0, "alice")
    wait_for_subject(again, "no master 0")
    system.start("master")
    within(30, "all lists agree", lambda: len(set(system.lists())) == 1 and '"user.alice.Before"' not in system.lists()[0])
    within(10, "CREATE works again", lambda: again.create("Afterwards")[0] == "OK")
    within(5, "all lists agree", lambda: len(set(system.lists())) == 1 and '"user.alice.Afterwards"' in system.lists()[0])


def frontend_killed(system):
    """kill -9 of a front-end with mail in its queue: after restart every accepted message arrives exactly once."""
    system.kill("backend1")
    system.kill("backend2")
    logins = list(system.users)
    for number in range(40):
        to = [system.address(logins[number % 4]), system.address(logins[(number + 1) % 4])]
        assert system.send(0, to, message(f"queued {number:03}", "x" * (number * 997) + "\r\n")) == {}
    system.kill("frontend1")
    system.start("frontend1")
    time.sleep(1)
    system.kill("frontend1")
    for name in ("backend1", "backend2"):
        system.start(name)
    system.start("frontend1")
    expected = {login: [n for n in range(40) if login in (logins[n % 4], logins[(n + 1) % 4])] for login in logins}
    for login in logins:
        client = within(30, "an INBOX", lambda login=login: reachable(system, login, 1))

        def arrived(client=client, login=login):
            ok(client.select("INBOX"))
            return len(uids(client, "SUBJECT", "queued")) >= len(expected[login])

        within(90, f"mail of {login}", arrived)
    time.sleep(2)
    for login in logins:
        client = system.imap(1, login)
        for number in expected[login]:
            assert count_subject(client, f"queued {number:03}") == 1, (login, number)


def delivery_killed(system, rounds=5):
    """kill -9 of a back-end under delivery load: every message answered 250 is there, once."""
    host, port = system.node("frontend1")["smtp"].rsplit(":", 1)
    to = [system.address("carol"), system.address("dave")]
    accepted, lock = [], threading.Lock()

    def deliver(round_, worker):
        import smtplib

        for number in range(100):
            subject = f"load {round_} {worker} {number:03}"
            try:
                with smtplib.SMTP(host, int(port), timeout=60) as client:
                    if client.sendmail("sender@elsewhere.test", to, message(subject)) == {}:
                        with lock:
                            accepted.append(subject)
            except smtplib.SMTPException:
                pass

    for round_ in range(rounds):
        workers = [threading.Thread(target=deliver, args=(round_, worker)) for worker in range(10)]
        for worker in workers:
            worker.start()
        begin = len(accepted)
        within(60, "some load", lambda begin=begin: len(accepted) > begin + 300)
        system.kill("backend2")
        time.sleep(0.3)
        system.start("backend2")
        for worker in workers:
            worker.join()
        print(f"round {round_ + 1} of {rounds}: {len(accepted)} messages accepted", flush=True)
    assert len(accepted) >= rounds * 900, len(accepted)
    for login in ("carol", "dave"):
        client = within(30, "an INBOX", lambda login=login: reachable(system, login, 1))

        def subjects(client=client):
            ok(client.select("INBOX"))
            data = ok(client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
            found = [part[1].decode() for part in data if isinstance(part, tuple)]
            return collections.Counter(text.split(":", 1)[1].strip() for text in found)

        within(120, "all mail", lambda: set(accepted) <= set(subjects()))
        time.sleep(1)
        found = subjects()
        twice = [subject for subject in accepted if found[subject] != 1]
        assert not twice, twice[:5]


def lmtp_killed(system, rounds=5):
    """The same by LMTP, straight at the back-end: what it answered 250 itself is there."""
    host, port = system.node("backend2")["lmtp"].rsplit(":", 1)
    accepted, lock = [], threading.Lock()

    def deliver(round_, worker):
        import smtplib

        for number in range(100):
            subject = f"lmtp {round_} {worker} {number:03}"
            try:
                with smtplib.LMTP(host, int(port), timeout=60) as client:
                    client.ehlo()
                    if client.sendmail("sender@elsewhere.test", ["dave"], message(subject)) == {}:
                        with lock:
                            accepted.append(subject)
            except (smtplib.SMTPException, OSError):
                time.sleep(0.05)

    for round_ in range(rounds):
        workers = [threading.Thread(target=deliver, args=(round_, worker)) for worker in range(10)]
        for worker in workers:
            worker.start()
        begin = len(accepted)
        within(60, "some load", lambda begin=begin: len(accepted) > begin + 200)
        system.kill("backend2")
        system.start("backend2")
        for worker in workers:
            worker.join()
        print(f"round {round_ + 1} of {rounds}: {len(accepted)} messages accepted", flush=True)
    client = within(30, "an INBOX", lambda: reachable(system, "dave", 1))
    data = ok(client.fetch("1:*", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
    found = collections.Counter(part[1].decode().split(":", 1)[1].strip() for part in data if isinstance(part, tuple))
    lost = [subject for subject in accepted if found[subject] != 1]
    assert not lost, (len(lost), lost[:5])


def third_backend(system, base_port):
    """A third back-end started while the system runs takes new mailboxes with nothing else restarted."""
    ports = {"imap": base_port + 190, "pop3": base_port + 191, "lmtp": base_port + 192, "admin": base_port + 199}
    with open(os.path.join(system.data, "backend2.toml")) as file:
        text = file.read().replace("backend2", "backend3")
    for service in ("imap", "pop3", "lmtp"):
        text = re.sub(rf'(\n{service} = )"[^"]*"', rf'\1"127.0.0.1:{ports[service]}"', text)
    text = re.sub(r'(\[admin\]\nlisten = )"[^"]*"', rf'\1"127.0.0.1:{ports["admin"]}"', text)
    with open(os.path.join(system.data, "backend3.toml"), "w") as file:
        file.write(text)
    with open(os.path.join(system.data, "backend3.secret"), "w") as file:
        file.write("secret-of-the-third\n")
    with open(os.path.join(system.data, "master.toml"), "a") as file:
        file.write('\n[[credential]]\nname = "backend3"\nrole = "backend"\npassword_file = "backend3.secret"\n')
    os.kill(system.endpoints["master"]["pid"], signal.SIGHUP)
    time.sleep(0.3)
    system.start("backend3")
    system.control(
        "backend", "add", "backend3", "--imap", f"127.0.0.1:{ports['imap']}", "--pop3", f"127.0.0.1:{ports['pop3']}",
        "--lmtp", f"127.0.0.1:{ports['lmtp']}",
    )
    system.control("user", "add", "erin", "--password", "erin-secret", "--backend", "backend3", "--address", "erin@example.test")
    system.users["erin"] = {"login": "erin", "password": "erin-secret", "address": "erin@example.test"}
    within(5, "the new address", lambda: system.send(0, ["erin@example.test"], message("to the third")) == {})
    erin = within(10, "the INBOX of erin", lambda: reachable(system, "erin", 1))
    wait_for_subject(erin, "to the third")
    ok(erin.create("Work"))
    entries = {entry["name"]: entry for entry in system.control("list", "--node", "frontend2")}
    assert entries["user.erin"]["location"].startswith("backend3!"), entries["user.erin"]
    assert entries["user.erin.Work"]["location"].startswith("backend3!")


def main():
    scenario, binaries, data, base_port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    system = System(binaries, data, base_port)
    try:
        if scenario == "third_backend":
            third_backend(system, base_port)
        elif scenario in ("delivery_killed", "lmtp_killed"):
            globals()[scenario](system, int(sys.argv[5]) if len(sys.argv) > 5 else 5)
        else:
            globals()[scenario](system)
        print("ok")
    finally:
        system.stop()


main()
