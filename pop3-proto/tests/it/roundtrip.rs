//! What is written reads back as it was, in one line, for every value.

use mail_wire::sasl::MechanismName;
use mail_wire::{Input, Line, LineFramer, LineLimits, Outbox, Text};
use pop3_proto::apop::{Digest, Timestamp};
use pop3_proto::{
    Capability, Command, LanguageListing, LanguageRange, LanguageTag, MaildropCommand, MessageNumber,
    Password, Reply, ReplyStatus, ResponseCode, Scope, UniqueId, UniqueIdListing, UserName,
};
use proptest::prelude::*;

fn number() -> impl Strategy<Value = MessageNumber> {
    prop_oneof![1..=20_u32, 1..=u32::MAX].prop_map(|n| MessageNumber::new(n).unwrap())
}

fn maildrop_command() -> impl Strategy<Value = MaildropCommand> {
    prop_oneof![
        Just(MaildropCommand::Stat),
        Just(MaildropCommand::Rset),
        Just(MaildropCommand::Noop),
        prop::option::of(number()).prop_map(MaildropCommand::List),
        prop::option::of(number()).prop_map(MaildropCommand::Uidl),
        number().prop_map(MaildropCommand::Retr),
        number().prop_map(MaildropCommand::Dele),
        (number(), any::<u32>()).prop_map(|(n, lines)| MaildropCommand::Top(n, lines)),
    ]
}

fn mechanism() -> impl Strategy<Value = MechanismName> {
    "[A-Z0-9_-]{1,20}".prop_map(|name| MechanismName::new(name.as_bytes()).unwrap())
}

fn name() -> impl Strategy<Value = UserName> {
    // A name may hold spaces, but not end with one.
    "[ a-zA-Z0-9.@\\-é\"{}]{0,40}[a-z]".prop_map(|name| UserName::new(name.as_bytes()).unwrap())
}

fn command() -> impl Strategy<Value = Command> {
    let password = prop::collection::vec(prop::sample::select((1..=255_u8).collect::<Vec<_>>()), 1..60)
        .prop_filter_map("no line end", |octets| Password::new(&octets).ok());
    let initial = prop::option::of(prop::collection::vec(any::<u8>(), 0..200).prop_map(Into::into));
    prop_oneof![
        maildrop_command().prop_map(Command::Maildrop),
        name().prop_map(Command::User),
        password.prop_map(Command::Pass),
        (name(), any::<[u8; 16]>())
            .prop_map(|(name, digest)| Command::Apop { name, digest: Digest::new(digest) }),
        prop::option::of(range()).prop_map(Command::Lang),
        Just(Command::Utf8),
        (mechanism(), initial).prop_map(|(mechanism, initial)| Command::Auth { mechanism, initial }),
        Just(Command::Capa),
        Just(Command::Stls),
        Just(Command::Quit),
    ]
}

fn tag() -> impl Strategy<Value = LanguageTag> {
    "[a-z]{2,8}(-[a-zA-Z0-9]{1,8}){0,2}".prop_map(|tag| LanguageTag::new(tag.as_bytes()).unwrap())
}

fn range() -> impl Strategy<Value = LanguageRange> {
    prop_oneof![Just(LanguageRange::Preferred), tag().prop_map(LanguageRange::Tag)]
}

fn reply() -> impl Strategy<Value = Reply> {
    let code = prop_oneof![
        prop::sample::select(vec!["IN-USE", "LOGIN-DELAY", "AUTH", "SYS/TEMP", "SYS/PERM", "UTF8"])
            .prop_map(String::from),
        "[A-Z0-9/.-]{1,20}",
    ];
    let code = prop::option::of(code.prop_map(|code| ResponseCode::new(code.as_bytes()).unwrap()));
    let status = prop::sample::select(vec![ReplyStatus::Ok, ReplyStatus::Err]);
    let text = "[ -~]{0,60}".prop_map(|text| Text::lossy(&text));
    (status, code, text).prop_map(|(status, code, text)| Reply { status, code, text })
}

fn capability() -> impl Strategy<Value = Capability> {
    let scope = prop::sample::select(vec![Scope::Server, Scope::User]);
    let simple = prop::sample::select(vec![
        Capability::Top,
        Capability::Uidl,
        Capability::User,
        Capability::Stls,
        Capability::RespCodes,
        Capability::AuthRespCode,
        Capability::Pipelining,
        Capability::Utf8,
        Capability::Utf8User,
        Capability::Lang,
    ]);
    prop_oneof![
        simple,
        prop::collection::vec(mechanism(), 0..5).prop_map(Capability::Sasl),
        (any::<u32>(), scope.clone()).prop_map(|(seconds, scope)| Capability::LoginDelay { seconds, scope }),
        (prop::option::of(any::<u32>()), scope).prop_map(|(days, scope)| Capability::Expire { days, scope }),
        "[A-Za-z0-9]{1,20}".prop_map(|text| Capability::Implementation(Text::lossy(&text))),
        "X-[A-Z]{1,10}( [a-z]{1,5})?".prop_map(|text| Capability::Other(Text::lossy(&text))),
    ]
}

/// The one line that the output is; anything else fails.
fn line(mut out: Outbox) -> Vec<u8> {
    let (mut input, mut framer) = (Input::new(), LineFramer::new(LineLimits::default()));
    while let Some(piece) = out.take() {
        input.buffer().extend_from_slice(&piece);
    }
    let Ok(Some(Line::Whole(line))) = framer.poll(&mut input) else { panic!("no line") };
    assert!(input.is_empty(), "a second line");
    line.to_vec()
}

proptest! {
    #[test]
    fn e1_a_command_reads_back_as_one_line(command in command()) {
        let mut out = Outbox::new();
        command.encode(&mut out);
        prop_assert_eq!(Command::parse(&line(out)), Ok(command));
    }

    #[test]
    fn e6_a_reply_reads_back_as_one_line_of_the_rfc_s_length(reply in reply()) {
        let mut out = Outbox::new();
        reply.encode(&mut out);
        let line = line(out);
        prop_assert!(line.len() + 2 <= 512);
        prop_assert_eq!(Reply::parse(&line), Ok(reply));
    }

    #[test]
    fn a_capability_reads_back(capability in capability()) {
        let mut out = Outbox::new();
        capability.encode(&mut out);
        prop_assert_eq!(Capability::parse(&line(out)), Ok(capability));
    }

    #[test]
    fn a_language_reads_back(tag in tag(), description in "[a-zñ][ -~ñé漢]{0,30}") {
        let listing = LanguageListing { tag, description: Text::international(description).unwrap() };
        let mut out = Outbox::new();
        listing.encode(&mut out);
        prop_assert_eq!(LanguageListing::parse(&line(out)), Ok(listing));
    }

    #[test]
    fn listings_of_one_message_read_back(n in number(), id in "[!-~]{1,70}", octets in any::<u64>()) {
        let listing = UniqueIdListing { message: n, id: UniqueId::new(id).unwrap() };
        prop_assert_eq!(Reply::unique_id_listing(&listing).as_unique_id_listing(), Ok(listing));
        let scan = pop3_proto::ScanListing { message: n, octets };
        prop_assert_eq!(Reply::scan_listing(scan).as_scan_listing(), Ok(scan));
    }

    #[test]
    fn no_line_makes_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Command::parse(&bytes);
        let _ = Reply::parse(&bytes);
        let _ = Capability::parse(&bytes);
        let _ = LanguageListing::parse(&bytes);
        let _ = Timestamp::new(&bytes);
    }
}
