"""Postfix's smtp-source delivers by LMTP to a front-end and to a back-end: ten at a time, all of them arrive."""

import subprocess
import sys

from murder import Murder, ok, uids, within

murder = Murder(sys.argv[1])


def source(place, to, count, size):
    subprocess.run(
        ["smtp-source", "-L", "-c", "-s", "10", "-m", str(count), "-l", str(size), "-f", "sender@elsewhere.test", "-t", to,
         "-M", "source.elsewhere.test", "inet:{}:{}".format(*place)],
        check=True, timeout=120, stdout=subprocess.DEVNULL,
    )


def count(client):
    ok(client.select("INBOX"))
    return len(uids(client, "FROM", "sender@elsewhere.test"))


client = murder.imap(0, "dave")
before = count(client)
source(murder.place("frontends", 1, "lmtp"), murder.address("dave"), 300, 4000)
assert count(client) == before + 300, (before, count(client))
source(murder.place("backends", 1, "lmtp"), "dave", 300, 4000)
assert count(client) == before + 600, (before, count(client))
ok(client.store("1:*", "+FLAGS.SILENT", r"(\Deleted)"))
ok(client.expunge())
client.logout()
print("ok")
