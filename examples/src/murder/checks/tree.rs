//! A tree of folders with many mixed messages goes in through one front-end and comes out of the other unchanged.

use imap_proto::{
    Append, Command, Create, Data, Fetch, FetchAttribute, FetchItem, Flag, IString, List, MailboxName,
    NewContent, NewMessage, Numbering, Peek, Response, Section, SequenceSet, SettableFlag,
};
use programs::imap::{Failure, Imap};

use super::{Checks, expect, unique};

/// Folders of the tree.
const FOLDERS: usize = 5;
/// Messages in all of them.
const MESSAGES: usize = 500;
/// One message in so many has a body of two megabytes.
const LARGE_EVERY: usize = 100;

impl Checks<'_> {
    pub(super) async fn tree(&self) -> Result<(), Failure> {
        let (mut one, mut two) = (self.imap(0, "dave").await?, self.imap(1, "dave").await?);
        let top = unique("Tree");
        let folders: Vec<String> = (0..FOLDERS).map(|n| format!("{top}/{n}")).collect();
        for folder in &folders {
            let create = Create::new(MailboxName::new(folder)?);
            one.run(&Command::Create(create)).await?.success()?;
        }
        for number in 0..MESSAGES {
            let folder = folders.get(number % FOLDERS).ok_or("no folder")?;
            append(&mut one, folder, number).await?;
        }
        for (n, folder) in folders.iter().enumerate() {
            let expected: Vec<usize> = (0..MESSAGES).filter(|number| number % FOLDERS == n).collect();
            compare(&mut two, folder, &expected).await?;
            two.run(&Command::Unselect).await?.success()?;
            two.run(&Command::Delete(MailboxName::new(folder)?)).await?.success()?;
        }
        two.run(&Command::Delete(MailboxName::new(&top)?)).await?.success()?;
        one.logout().await;
        two.logout().await;
        Ok(())
    }
}

async fn append(imap: &mut Imap, folder: &str, number: usize) -> Result<(), Failure> {
    let text = text_of(number);
    let flags = flags_of(number);
    let content = NewContent::Plain(Data::Inline(IString::new(&text)?));
    let message = [NewMessage { flags: List::of(&flags), date: None, content }];
    let append = Append { mailbox: MailboxName::new(folder)?, messages: List::of(&message) };
    imap.run(&Command::Append(append)).await?.success()?;
    Ok(())
}

async fn compare(imap: &mut Imap, folder: &str, expected: &[usize]) -> Result<(), Failure> {
    imap.run(&Command::Select(MailboxName::new(folder)?.into())).await?.success()?;
    for (sequence, number) in (1..).zip(expected) {
        let wanted = [
            FetchAttribute::Flags,
            FetchAttribute::Section { peek: Peek::LeaveUnseen, section: Section::MESSAGE, partial: None },
        ];
        let set = u32::to_string(&sequence);
        let fetch = Fetch::new(Numbering::Sequence, SequenceSet::new(&set)?, &wanted);
        let mut outcome = imap.run(&Command::Fetch(fetch)).await?.success()?;
        let mut text = outcome.literals.pop();
        let mut flags = Vec::new();
        for response in &outcome.untagged {
            let Response::Fetch { items, .. } = response.view() else { continue };
            for item in items.iter() {
                match item {
                    FetchItem::Flags(list) => flags = list.iter().map(|flag| format!("{flag:?}")).collect(),
                    FetchItem::Section { data, .. } if text.is_none() => {
                        text = data.to_bytes().map(Into::into)
                    }
                    _ => {}
                }
            }
        }
        expect(
            text.as_deref() == Some(text_of(*number).as_slice()),
            &format!("message {number} reads differently"),
        )?;
        flags.retain(|flag| !flag.contains("Recent"));
        let given: Vec<String> = flags_of(*number).iter().map(|flag| format!("{:?}", flag.flag())).collect();
        flags.sort();
        let mut wanted = given;
        wanted.sort();
        expect(flags == wanted, &format!("message {number} has {flags:?} and not {wanted:?}"))?;
    }
    Ok(())
}

/// Plain text, long lines, eight-bit text, an attachment, and now and then two megabytes.
fn text_of(number: usize) -> Vec<u8> {
    let head = format!("From: sender@elsewhere.test\r\nSubject: mixed {number}\r\n");
    if number % LARGE_EVERY == 7 {
        return format!(
            "{head}\r\n{}",
            "two megabytes of text, line after line, without an end\r\n".repeat(37_000)
        )
        .into_bytes();
    }
    match number % 4 {
        0 => format!("{head}\r\nplain\r\n.\r\n..dots\r\n").into_bytes(),
        1 => format!("{head}\r\n{}\r\n", "l".repeat(5_000)).into_bytes(),
        2 => [head.as_bytes(), b"Content-Transfer-Encoding: 8bit\r\n\r\n\xe4\xf6\xfc\r\n"].concat(),
        _ => format!(
            "{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n--b\r\n\
             Content-Disposition: attachment; filename=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n{}--b--\r\n",
            "QUJD\r\n".repeat(number)
        )
        .into_bytes(),
    }
}

fn flags_of(number: usize) -> Vec<SettableFlag<'static>> {
    let all = [Flag::Seen, Flag::Flagged, Flag::Answered, Flag::Draft];
    let chosen = all.into_iter().enumerate().filter(|(bit, _)| number >> bit & 1 == 1);
    chosen.filter_map(|(_, flag)| SettableFlag::new(flag)).collect()
}
