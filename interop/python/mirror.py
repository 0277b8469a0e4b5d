"""mbsync mirrors a tree of 5 folders with 500 mixed messages there and back, with flags and no difference."""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

from murder import Murder, ok

FOLDERS = ["INBOX", "Work", "Work/2026", "Archive", "Entw&APw-rfe"]
COUNT = 500
FLAGS = ["", "S", "F", "R", "FS", "RS", "FRS", "DS"]


def text_of(number, chance):
    """One of several kinds of message, in the form that a Maildir holds (LF line ends)."""
    head = (
        f"From: =?utf-8?q?S=C3=A4nder?= <s{number}@elsewhere.test>\nTo: carol@example.test\n"
        f"Subject: mixed {number}\nMessage-ID: <mixed-{number}@elsewhere.test>\nDate: Mon, 23 Nov 2026 10:{number % 60:02}:00 +0100\n"
    )
    kind = number % 6
    if kind == 0:
        return (head + "\nplain text\n.\n..dots\n").encode()
    if kind == 1:
        return (head + "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n").encode() + bytes(
            [0xE4, 0xF6, 0xFC, 0x0A]
        ) * 50
    if kind == 2:
        return (head + "\n" + "l" * 5000 + "\n").encode()
    if kind == 3:
        attachment = "\n".join("QUJD" * 18 for _ in range(chance.randint(1, 400)))
        return (
            head + 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b{0}"\n\npreamble\n--b{0}\nContent-Type: text/plain\n\nsee below\n'
            '--b{0}\nContent-Type: application/octet-stream; name="a.bin"\nContent-Transfer-Encoding: base64\n'
            'Content-Disposition: attachment; filename="a.bin"\n\n{1}\n--b{0}--\nepilogue\n'.format(number, attachment)
        ).encode()
    if kind == 4:
        return (
            head + f"MIME-Version: 1.0\nContent-Type: message/rfc822\n\nFrom: inner@x.test\nSubject: inside {number}\n\ninner body\n"
        ).encode()
    if number % 100 == 5:
        return (head + "\n" + ("two megabytes of text, line after line, without an end in sight\n" * 32000)).encode()
    return (head + "\n").encode()


def maildir_of(root, folder):
    return os.path.join(root, folder)


def fill(root, seed):
    chance = random.Random(seed)
    for folder in FOLDERS:
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(maildir_of(root, folder), part), exist_ok=True)
    for number in range(COUNT):
        folder, flags = FOLDERS[number % len(FOLDERS)], FLAGS[chance.randrange(len(FLAGS))]
        path = os.path.join(maildir_of(root, folder), "cur", f"{1700000000 + number}.{number}.host:2,{flags}")
        with open(path, "wb") as file:
            file.write(text_of(number, chance))


def content(root):
    """Folder -> {message text: flags}, of a Maildir tree."""
    found = {}
    for folder in FOLDERS:
        messages = {}
        for part in ("cur", "new"):
            place = os.path.join(maildir_of(root, folder), part)
            for name in os.listdir(place):
                with open(os.path.join(place, name), "rb") as file:
                    text = file.read()
                flags = name.split(":2,")[1] if ":2," in name else ""
                # The name that mbsync gives a message which it uploads stays in it.
                text = re.sub(rb"\nX-TUID: [^\n]*", b"", text.replace(b"\r\n", b"\n"), count=1)
                messages[text] = "".join(sorted(flags))
        found[folder] = messages
    return found


def difference(one, other):
    """The first few messages or flags that two folders do not share."""
    found = []
    for text in one.keys() | other.keys():
        if one.get(text) != other.get(text):
            found.append((text[:400], len(text), one.get(text), other.get(text)))
    return found[:4]


def sync(home, murder, frontend, login, root, *options):
    config = os.path.join(home, f"mbsyncrc-{frontend}")
    _, port = murder.place("frontends", frontend, "imaps")
    with open(config, "w") as file:
        file.write(
            f"IMAPAccount a\nHost localhost\nPort {port}\nUser {login}\nPass {murder.password(login)}\nSSLType IMAPS\n"
            f"CertificateFile {murder.endpoints['ca']}\nAuthMechs PLAIN\n\nIMAPStore far\nAccount a\n\n"
            f"MaildirStore near\nPath {root}/\nInbox {root}/INBOX\nSubFolders Verbatim\n\n"
            f"Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\nCopyArrivalDate yes\n"
        )
    subprocess.run(["mbsync", "-q", "-c", config, *options, "-a"], check=True, timeout=170)


def scenario(murder, login="dave"):
    home = tempfile.mkdtemp()
    try:
        first, second = os.path.join(home, "first"), os.path.join(home, "second")
        fill(first, seed=7)
        os.makedirs(second)
        before = content(first)
        # The inbox of this user may hold mail of other scenarios.
        client = murder.imap(0, login)
        ok(client.select("INBOX"))
        ok(client.store("1:*", "+FLAGS.SILENT", r"(\Deleted)"))
        ok(client.expunge())
        client.logout()

        sync(home, murder, 0, login, first)
        sync(home, murder, 1, login, second)
        copied = content(second)
        for folder in FOLDERS:
            assert len(copied[folder]) == len(before[folder]), (folder, len(copied[folder]), len(before[folder]))
            assert copied[folder] == before[folder], (folder, difference(before[folder], copied[folder]))
        assert sum(map(len, copied.values())) == COUNT

        # Flags that change on one side arrive on the other, and so does a deletion.
        place = os.path.join(maildir_of(second, "Work"), "cur")
        names = sorted(os.listdir(place))
        for name in names[:10]:
            base, flags = name.split(":2,")
            os.rename(os.path.join(place, name), os.path.join(place, base + ":2," + "".join(sorted(set(flags) ^ {"F"}))))
        for name in names[10:15]:
            base, flags = name.split(":2,")
            os.rename(os.path.join(place, name), os.path.join(place, base + ":2," + "".join(sorted(set(flags) | {"T"}))))
        sync(home, murder, 1, login, second)
        sync(home, murder, 0, login, first)
        there, back = content(second), content(first)
        assert len(there["Work"]) == len(before["Work"]) - 5
        assert there == back

        client = murder.imap(1, login)
        for folder in ("Work/2026", "Work", "Archive", '"Entw&APw-rfe"'):
            ok(client.delete(folder))
        client.logout()
    finally:
        shutil.rmtree(home, ignore_errors=True)


scenario(Murder(sys.argv[1]))
print("ok")
