"""What the scenarios share: the endpoints of a running murder, connections to them, and patience with a limit."""

import email.message
import imaplib
import json
import poplib
import smtplib
import ssl
import sys
import time

imaplib._MAXLINE = 10_000_000


class Murder:
    def __init__(self, path):
        with open(path) as file:
            self.endpoints = json.load(file)
        self.context = ssl.create_default_context(cafile=self.endpoints["ca"])
        self.users = {user["login"]: user for user in self.endpoints["users"]}

    def place(self, role, index, service):
        host, port = self.endpoints[role][index][service].rsplit(":", 1)
        return host, int(port)

    def password(self, login):
        return self.users[login]["password"]

    def address(self, login):
        return self.users[login]["address"]

    def imap(self, frontend, login, tls=True):
        if tls:
            _, port = self.place("frontends", frontend, "imaps")
            client = imaplib.IMAP4_SSL("localhost", port, ssl_context=self.context, timeout=20)
        else:
            client = imaplib.IMAP4(*self.place("frontends", frontend, "imap"), timeout=20)
        ok(client.login(login, self.password(login)))
        return client

    def pop3(self, frontend, login):
        _, port = self.place("frontends", frontend, "pop3s")
        client = poplib.POP3_SSL("localhost", port, context=self.context, timeout=20)
        client.user(login)
        client.pass_(self.password(login))
        return client

    def smtp(self, frontend):
        return smtplib.SMTP(*self.place("frontends", frontend, "smtp"), timeout=20)

    def send(self, frontend, recipients, text, sender="sender@elsewhere.test"):
        with self.smtp(frontend) as client:
            return client.sendmail(sender, recipients, text)


def ok(answer):
    """The data of an imaplib answer that must be OK."""
    status, data = answer
    assert status == "OK", answer
    return data


def no(answer):
    """The text of an imaplib answer that must be NO."""
    status, data = answer
    assert status == "NO", answer
    return data[0]


def message(subject, body="Hello.\r\n", extra=""):
    """A message in wire form."""
    return (
        f"From: Sender <sender@elsewhere.test>\r\nTo: somebody@example.test\r\nSubject: {subject}\r\n"
        f"Message-ID: <{subject.replace(' ', '.')}@elsewhere.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n{extra}\r\n{body}"
    ).encode("utf-8")


def within(seconds, what, check):
    """Calls `check` until it returns something true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def uids(client, *criteria):
    return ok(client.uid("SEARCH", *criteria))[0].split()


def wait_for_subject(client, subject, seconds=10, mailbox="INBOX"):
    """The UID of the message with this subject, once it is there."""

    def look():
        ok(client.select(mailbox))
        return uids(client, "HEADER", "SUBJECT", f'"{subject}"')

    return within(seconds, f"message {subject!r}", look)[0]


def fetch_whole(client, uid):
    return body_of(client.uid("FETCH", uid, "(BODY.PEEK[])"))


def body_of(answer):
    """The one body in a FETCH answer. Flags that another session has just changed may stand among its lines."""
    (body,) = [part[1] for part in ok(answer) if isinstance(part, tuple)]
    return body


def run(scenario):
    """Runs `scenario(murder)` on the endpoints named on the command line."""
    scenario(Murder(sys.argv[1]))
    print("ok")
