"""A mailbox of carol's on back-end 2, opened to alice by ACL, is listed and read in the session of her own on back-end 1."""

from murder import body_of, message, no, ok, run, uids, within

NAME = "Other Users/carol/Plans"


def listed(client, pattern):
    lines = ok(client.list('""', pattern))
    return any(line and b"Plans" in line for line in lines)


def scenario(murder):
    carol, alice, bob = murder.imap(0, "carol"), murder.imap(1, "alice"), murder.imap(1, "bob")
    ok(carol.create("Plans"))
    ok(carol.append("Plans", None, None, message("a plan of carol")))
    assert not listed(alice, "*")
    refusal = no(alice.select(f'"{NAME}"'))
    missing = no(alice.select('"Other Users/carol/Nothing"'))
    # What one may not see looks as if it were not there.
    assert refusal.replace(b"Plans", b"") == missing.replace(b"Nothing", b""), (refusal, missing)

    ok(carol.setacl("Plans", "alice", "lrs"))
    within(1, "the right to look", lambda: listed(alice, '"Other Users/*"'))
    assert not listed(bob, "*")
    ok(alice.select("INBOX"))
    ok(alice.select(f'"{NAME}"', readonly=False))
    whole = body_of(alice.fetch("1", "(BODY[])"))
    assert whole == message("a plan of carol"), whole
    # Seen state is alice's own.
    assert uids(alice, "SEEN") == [b"1"] or len(uids(alice, "SEEN")) == 1
    ok(carol.select("Plans"))
    assert uids(carol, "SEEN") == []
    # She may read, and nothing else.
    no(alice.append(f'"{NAME}"', None, None, message("not allowed")))
    no(alice.delete(f'"{NAME}"'))
    no(alice.setacl(f'"{NAME}"', "bob", "lrs"))
    # Across back-ends, in the session of her own.
    ok(alice.copy("1", "INBOX"))
    ok(alice.select("INBOX"))
    assert len(uids(alice, "HEADER", "SUBJECT", '"a plan of carol"')) == 1
    ok(carol.setacl("Plans", "alice", '""'))
    within(1, "the right is gone", lambda: not listed(alice, '"Other Users/*"'))
    ok(carol.delete("Plans"))
    for client in (carol, alice, bob):
        client.logout()


run(scenario)
