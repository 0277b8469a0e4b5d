"""One message to four recipients on two back-ends, one unknown: 550 at RCPT for that one, delivery to the rest."""

from murder import message, run, uids, wait_for_subject


def scenario(murder):
    known = ["alice", "bob", "carol"]
    subject = "four recipients"
    with murder.smtp(0) as client:
        client.ehlo()
        assert client.mail("sender@elsewhere.test")[0] == 250
        for login in known:
            code, text = client.rcpt(murder.address(login))
            assert code == 250, (login, code, text)
        domain = murder.address("alice").split("@")[1]
        code, text = client.rcpt(f"nobody-here@{domain}")
        assert code == 550 and text.startswith(b"5.1.1"), (code, text)
        code, text = client.rcpt("somebody@not-local.test")
        assert code in (550, 554), (code, text)
        code, text = client.data(message(subject))
        assert code == 250, (code, text)
    for login in known:
        client = murder.imap(1, login)
        wait_for_subject(client, subject)
        assert len(uids(client, "HEADER", "SUBJECT", f'"{subject}"')) == 1, login
        client.logout()
    client = murder.imap(1, "dave")
    client.select("INBOX")
    assert uids(client, "HEADER", "SUBJECT", f'"{subject}"') == []
    client.logout()


run(scenario)
