"""curl, swaks, fetchmail, mutt and mpop against a front-end, each in the ways it is used."""

import os
import subprocess
import sys
import tempfile

from murder import Murder, fetch_whole, message, ok, uids, wait_for_subject


def tool(*words, stdin=b"", expect=0, env=None):
    done = subprocess.run(words, input=stdin, capture_output=True, timeout=60, env={**os.environ, **(env or {})})
    assert done.returncode == expect, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def curl(murder):
    ca, alice = murder.endpoints["ca"], f"alice:{murder.password('alice')}"
    port = lambda frontend, service: murder.place("frontends", frontend, service)[1]
    text = message("sent by curl", "one\r\n.\r\n..two\r\n")
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        tool("curl", "-sS", f"smtp://127.0.0.1:{port(0, 'smtp')}", "--mail-from", "sender@elsewhere.test",
             "--mail-rcpt", murder.address("alice"), "-T", file.name)
        tool("curl", "-sS", "--ssl-reqd", "--cacert", ca, f"smtp://localhost:{port(1, 'submission')}", "-u", alice,
             "--mail-from", murder.address("alice"), "--mail-rcpt", murder.address("carol"), "-T", file.name)
        tool("curl", "-sS", "--cacert", ca, f"smtps://localhost:{port(1, 'submissions')}", "-u", alice,
             "--mail-from", murder.address("alice"), "--mail-rcpt", murder.address("carol"), "-T", file.name)
        client = murder.imap(1, "alice")
        uid = wait_for_subject(client, "sent by curl").decode()
        assert fetch_whole(client, uid).endswith(text)
        for url, more in [
            (f"imaps://localhost:{port(0, 'imaps')}", ()),
            (f"imap://localhost:{port(1, 'imap')}", ("--ssl-reqd",)),
            (f"imap://127.0.0.1:{port(1, 'imap')}", ()),
        ]:
            whole = tool("curl", "-sS", *more, "--cacert", ca, "-u", alice, f"{url}/INBOX;UID={uid}")
            assert whole.endswith(text), whole
            assert b"INBOX" in tool("curl", "-sS", *more, "--cacert", ca, "-u", alice, url)
            assert b"* SEARCH" in tool("curl", "-sS", *more, "--cacert", ca, "-u", alice, f"{url}/INBOX?SUBJECT%20curl")
        tool("curl", "-sS", "--cacert", ca, "-u", alice, f"imaps://localhost:{port(0, 'imaps')}/INBOX", "-T", file.name)
        for url, more in [
            (f"pop3s://localhost:{port(0, 'pop3s')}", ()),
            (f"pop3://localhost:{port(1, 'pop3')}", ("--ssl-reqd",)),
            (f"pop3://127.0.0.1:{port(1, 'pop3')}", ()),
        ]:
            listing = tool("curl", "-sS", *more, "--cacert", ca, "-u", alice, f"{url}/")
            last = listing.split(b"\r\n")[-2].split()[0].decode()
            assert tool("curl", "-sS", *more, "--cacert", ca, "-u", alice, f"{url}/{last}").endswith(text)
        carol = murder.imap(0, "carol")
        wait_for_subject(carol, "sent by curl")
        # A wrong password and an unknown user get the same answer.
        for who in ("alice:wrong", "nobody:wrong"):
            tool("curl", "-sS", "--cacert", ca, "-u", who, f"imaps://localhost:{port(0, 'imaps')}", expect=67)
        client.logout()
        carol.logout()


def swaks(murder):
    port = lambda frontend, service: str(murder.place("frontends", frontend, service)[1])
    to = murder.address("bob")
    tool("swaks", "--server", "127.0.0.1", "--port", port(0, "smtp"), "--tls", "--to", to, "--from", "s@elsewhere.test",
         "--header", "Subject: swaks starttls")
    tool("swaks", "--server", "127.0.0.1", "--port", port(1, "submission"), "--tls", "--auth", "PLAIN", "--auth-user", "alice",
         "--auth-password", murder.password("alice"), "--to", to, "--from", murder.address("alice"), "--header", "Subject: swaks plain")
    tool("swaks", "--server", "127.0.0.1", "--port", port(1, "submissions"), "--tlsc", "--auth", "LOGIN", "--auth-user", "alice",
         "--auth-password", murder.password("alice"), "--to", to, "--from", murder.address("alice"), "--header", "Subject: swaks login")
    tool("swaks", "--protocol", "LMTP", "--server", "127.0.0.1", "--port", port(0, "lmtp"), "--to", f"{to},{murder.address('carol')}",
         "--from", "s@elsewhere.test", "--header", "Subject: swaks lmtp")
    # Submission without a login, and an open relay, are refused.
    tool("swaks", "--server", "127.0.0.1", "--port", port(1, "submission"), "--to", to, "--from", murder.address("alice"), expect=23)
    tool("swaks", "--server", "127.0.0.1", "--port", port(0, "smtp"), "--to", "x@not-local.test", "--from", "s@elsewhere.test", expect=24)
    client = murder.imap(0, "bob")
    for subject in ("swaks starttls", "swaks plain", "swaks login", "swaks lmtp"):
        wait_for_subject(client, subject)
    client.logout()


def fetchmail(murder):
    client = murder.imap(0, "bob")
    ok(client.select("INBOX"))
    present = len(uids(client, "ALL"))
    assert present > 0
    client.logout()
    for protocol, service, frontend in (("pop3", "pop3s", 0), ("imap", "imaps", 1)):
        with tempfile.TemporaryDirectory() as home:
            rc = os.path.join(home, "rc")
            with open(rc, "w") as file:
                file.write(
                    f"poll localhost protocol {protocol} port {murder.place('frontends', frontend, service)[1]} "
                    f"user bob password \"{murder.password('bob')}\" is root here ssl sslcertck sslcertfile \"{murder.endpoints['ca']}\" "
                    f"keep fetchall bsmtp \"{home}/mail\"\n"
                )
            os.chmod(rc, 0o600)
            tool("fetchmail", "-f", rc, "--nodetach", "--nosyslog", "-i", os.path.join(home, "ids"),
                 env={"HOME": home, "FETCHMAILHOME": home})
            with open(os.path.join(home, "mail"), "rb") as file:
                fetched = file.read()
            assert fetched.count(b"Subject: swaks lmtp") == 1, protocol
            assert fetched.count(b"\nDATA\r\n") == present or fetched.count(b"\nDATA\n") == present, (protocol, present)


def mpop(murder):
    client = murder.imap(1, "dave")
    murder.send(0, [murder.address("dave")], message("for mpop", ".\r\n..\r\nthe end\r\n"))
    wait_for_subject(client, "for mpop")
    present = len(uids(client, "ALL"))
    for frontend, service, starttls in ((0, "pop3s", "off"), (1, "pop3", "on")):
        with tempfile.TemporaryDirectory() as home:
            rc, mail = os.path.join(home, "mpoprc"), os.path.join(home, "mail")
            with open(rc, "w") as file:
                file.write(
                    f"account dave\nhost localhost\nport {murder.place('frontends', frontend, service)[1]}\n"
                    f"tls on\ntls_starttls {starttls}\ntls_trust_file {murder.endpoints['ca']}\n"
                    f"user dave\npassword {murder.password('dave')}\nauth on\npipelining on\nkeep on\n"
                    f"uidls_file {home}/uidls\ndelivery mbox {mail}\n"
                )
            os.chmod(rc, 0o600)
            # What it has seen it does not fetch again.
            for _ in range(2):
                tool("mpop", "-C", rc, "dave", env={"HOME": home})
                with open(mail, "rb") as file:
                    fetched = file.read()
                assert fetched.count(b"Subject: for mpop") == 1, fetched[-2000:]
                assert fetched.count(b"\nFrom ") + 1 == present, (fetched.count(b"\nFrom "), present)
    client.logout()


def mutt(murder):
    with tempfile.TemporaryDirectory() as home:
        rc, out = os.path.join(home, "muttrc"), os.path.join(home, "out")
        imap, smtp = murder.place("frontends", 0, "imaps")[1], murder.place("frontends", 1, "submissions")[1]
        with open(rc, "w") as file:
            file.write(
                f"set imap_user=alice\nset imap_pass={murder.password('alice')}\nset folder=imaps://localhost:{imap}/\n"
                f"set spoolfile=imaps://localhost:{imap}/INBOX\nset ssl_ca_certificates_file={murder.endpoints['ca']}\n"
                f"set certificate_file={murder.endpoints['ca']}\nset ssl_usesystemcerts=no\nset ssl_force_tls=yes\n"
                f"set smtp_url=smtps://alice@localhost:{smtp}/\nset smtp_pass={murder.password('alice')}\n"
                f"set from={murder.address('alice')}\nset copy=yes\nset record=imaps://localhost:{imap}/Sent\nset imap_check_subscribed=no\n"
                "set quit=yes\nset delete=yes\nset confirmappend=no\nset confirmcreate=no\nset wait_key=no\nset move=no\nset beep=no\n"
                f"set header_cache=\nset message_cachedir=\nset tmpdir={home}\n"
            )
        env = {"HOME": home, "TERM": "xterm"}
        attachment = os.path.join(home, "numbers.txt")
        with open(attachment, "w") as file:
            file.write("\n".join(map(str, range(1000))))
        tool("mutt", "-F", rc, "-s", "sent by mutt", "-a", attachment, "--", murder.address("alice"), stdin=b"hello from mutt\n", env=env)
        client = murder.imap(1, "alice")
        uid = wait_for_subject(client, "sent by mutt")
        assert b"numbers.txt" in fetch_whole(client, uid)
        assert uids_in(client, "Sent") == 1
        # Read it in batch mode: open the inbox, find the message, copy it to a local mbox, leave.
        keys = f"push '<limit>~s \"sent by mutt\"<enter><tag-pattern>~A<enter><tag-prefix><copy-message>{out}<enter><quit>'"
        tool("script", "-qec", f"mutt -F {rc} -e \"{keys}\"".replace('~s "sent by mutt"', '~s mutt'), "/dev/null", env=env)
        with open(out, "rb") as file:
            assert b"Subject: sent by mutt" in file.read()
        ok(client.delete("Sent"))
        client.logout()


def uids_in(client, mailbox):
    ok(client.select(mailbox))
    count = len(uids(client, "ALL"))
    ok(client.close())
    return count


SCENARIOS = {"curl": curl, "swaks": swaks, "fetchmail": fetchmail, "mutt": mutt, "mpop": mpop}

for name in sys.argv[2:]:
    SCENARIOS[name](Murder(sys.argv[1]))
print("ok")
