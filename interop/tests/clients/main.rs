//! Real clients and peers against a murder of separate processes.
//!
//! Nothing here is client code of ours: the scenarios in `python/` drive Python's own mail libraries, `curl`,
//! `swaks`, `mbsync`, `fetchmail`, `mutt` and Postfix's `smtp-source`. `./test` runs this in namespaces of its own,
//! so that every process ends with it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use harness::{Own, shared};
use interop::postfix::{Delivery, Postfix};

#[test]
fn a_message_to_each_user_is_read_byte_for_byte_through_the_other_front_end() {
    shared().run("deliver_and_read.py", &[]);
}

#[test]
fn one_message_to_four_recipients_is_refused_for_the_unknown_one_only() {
    shared().run("four_recipients.py", &[]);
}

#[test]
fn folders_made_through_one_front_end_are_seen_through_the_other_within_a_second() {
    shared().run("folders.py", &[]);
}

#[test]
fn a_shared_mailbox_on_another_back_end_is_read_in_the_same_session() {
    shared().run("shared.py", &[]);
}

#[test]
fn mbsync_mirrors_a_tree_there_and_back() {
    shared().run("mirror.py", &[]);
}

#[test]
fn curl_swaks_fetchmail_mutt_and_mpop_do_their_work() {
    shared().run("tools.py", &["curl", "swaks", "fetchmail", "mutt", "mpop"]);
}

#[test]
fn postfix_smtp_source_delivers_by_lmtp() {
    shared().run("source.py", &[]);
}

#[test]
fn a_whole_postfix_hands_its_mail_to_a_front_end() {
    let murder = shared();
    let postfix = Postfix::start(&murder.domain(), &Delivery::Lmtp(murder.frontend_lmtp()), "");
    murder.run("through_postfix.py", &[&postfix.smtp.to_string()]);
}

#[test]
fn a_third_back_end_joins_while_the_system_runs() {
    Own::new().run("third_backend", &[]);
}

#[test]
fn kill_of_a_back_end_leaves_the_others_undisturbed_and_its_mail_waits() {
    Own::new().run("backend_killed", &[]);
}

#[test]
fn kill_of_the_master_stops_changes_of_the_list_only() {
    Own::new().run("master_killed", &[]);
}

#[test]
fn kill_of_a_front_end_loses_and_doubles_nothing_of_its_queue() {
    Own::new().run("frontend_killed", &[]);
}

#[test]
fn kill_of_a_back_end_under_load_loses_and_doubles_nothing() {
    Own::new().run("delivery_killed", &[&harness::kill_rounds()]);
}

#[test]
fn kill_of_a_back_end_under_lmtp_load_keeps_all_it_answered() {
    Own::new().run("lmtp_killed", &[&harness::kill_rounds()]);
}
