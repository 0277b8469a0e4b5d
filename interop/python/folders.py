"""CREATE, RENAME, DELETE and SUBSCRIBE through one front-end are seen through the other within one second."""

from murder import message, no, ok, run, within


def names(client, verb="list"):
    lines = getattr(client, verb)('""', "*")[1]
    return {line.decode().split(' "/" ', 1)[1].strip('"') for line in lines if line}


def scenario(murder):
    for login in ("alice", "carol"):
        one, two = murder.imap(0, login), murder.imap(1, login)
        ok(one.create("Work"))
        ok(one.create("Work/2026/Deep"))
        within(1, "CREATE", lambda: {"Work", "Work/2026", "Work/2026/Deep"} <= names(two))
        no(two.create("Work"))
        ok(one.append("Work/2026/Deep", r"(\Seen \Flagged)", None, message("kept while renamed")))
        ok(two.select("Work/2026/Deep"))
        ok(one.rename("Work", "Play"))
        within(1, "RENAME", lambda: "Play/2026/Deep" in names(two) and "Work" not in names(two))
        ok(two.select("Play/2026/Deep"))
        flags = ok(two.fetch("1", "(FLAGS)"))[0]
        assert rb"\Seen" in flags and rb"\Flagged" in flags, flags
        ok(two.close())
        ok(one.subscribe("Play/2026"))
        ok(one.subscribe("INBOX"))
        within(1, "SUBSCRIBE", lambda: {"Play/2026", "INBOX"} <= names(two, "lsub"))
        ok(one.unsubscribe("Play/2026"))
        within(1, "UNSUBSCRIBE", lambda: "Play/2026" not in names(two, "lsub"))
        for name in ("Play/2026/Deep", "Play/2026", "Play"):
            ok(one.delete(name))
        within(1, "DELETE", lambda: not any(name.startswith("Play") for name in names(two)))
        no(two.select("Play"))
        assert names(two) == {"INBOX"}, names(two)
        # Names with other letters travel in modified UTF-7 and come back the same.
        ok(one.create('"Entw&APw-rfe & mehr"'.replace(" & ", " &- ")))
        within(1, "CREATE", lambda: "Entw&APw-rfe &- mehr" in names(two))
        ok(two.delete('"Entw&APw-rfe &- mehr"'))
        one.logout()
        two.logout()


run(scenario)
