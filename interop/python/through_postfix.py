"""Postfix takes mail for this site and hands it to a front-end by LMTP: it arrives as it was sent, once, at both back-ends."""

import smtplib
import sys

from murder import Murder, fetch_whole, message, ok, uids, wait_for_subject

murder = Murder(sys.argv[1])
host, port = sys.argv[2].rsplit(":", 1)
users = ["alice", "carol"]
texts = {kind: message(f"through postfix {kind}", body) for kind, body in
         {"plain": "Hello.\r\n", "dots": ".\r\n..\r\nend\r\n", "large": "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 20000}.items()}
with smtplib.SMTP(host, int(port), timeout=20) as client:
    for text in texts.values():
        refused = client.sendmail("sender@elsewhere.test", [murder.address(user) for user in users], text)
        assert refused == {}, refused
for user in users:
    client = murder.imap(0, user)
    for kind, text in texts.items():
        uid = wait_for_subject(client, f"through postfix {kind}", seconds=20)
        assert fetch_whole(client, uid).endswith(text), kind
        assert len(uids(client, "HEADER", "SUBJECT", f'"through postfix {kind}"')) == 1
        ok(client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)"))
    ok(client.expunge())
    client.logout()
print("ok")
