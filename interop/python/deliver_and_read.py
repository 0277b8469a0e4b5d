"""A message to each user, through either front-end, is read byte for byte through the other by IMAP and by POP3."""

from murder import fetch_whole, message, ok, run, wait_for_subject

BODIES = {
    "plain": "Hello.\r\n",
    "dots": ".\r\n..\r\n...leading dots\r\n.\r\nend\r\n",
    "eight bit": "gr\u00fc\u00dfe \u65e5\u672c\r\n",
    "long line": "x" * 990 + "\r\n",
    "no end": "the last line has no end",
}


def scenario(murder):
    for index, login in enumerate(murder.users):
        for frontend in (0, 1):
            for kind, body in BODIES.items():
                subject = f"read {kind} {login} {frontend}"
                text = message(subject, body, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
                refused = murder.send(frontend, [murder.address(login)], text)
                assert refused == {}, refused
        for frontend in (0, 1):
            other = 1 - frontend
            imap = murder.imap(other, login, tls=bool(index % 2))
            bodies = {}
            for kind, body in BODIES.items():
                subject = f"read {kind} {login} {frontend}"
                uid = wait_for_subject(imap, subject)
                whole = fetch_whole(imap, uid)
                sent = message(subject, body, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
                if not sent.endswith(b"\r\n"):
                    sent += b"\r\n"
                assert whole.endswith(sent), (whole, sent)
                trace = whole[: -len(sent)]
                assert b"\r\n\r\n" not in trace and trace.startswith(b"Return-Path: <sender@elsewhere.test>\r\n"), trace
                assert b"\r\nReceived: " in trace, trace
                bodies[subject] = whole
            imap.logout()

            pop = murder.pop3(other, login)
            count, _ = pop.stat()
            assert count == len(pop.list()[1])
            identifiers = [line.split()[1] for line in pop.uidl()[1]]
            assert len(set(identifiers)) == count
            found = set()
            for number in range(1, count + 1):
                lines = pop.retr(number)[1]
                whole = b"".join(line + b"\r\n" for line in lines)
                for subject, expected in bodies.items():
                    if f"Subject: {subject}\r\n".encode() in whole:
                        assert whole == expected, (whole, expected)
                        top = pop.top(number, 0)[1]
                        assert top == lines[: lines.index(b"") + 1], (top, lines)
                        found.add(subject)
            assert found == set(bodies), set(bodies) - found
            pop.quit()


run(scenario)
