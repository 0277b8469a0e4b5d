//! LMTP from outside: the hello, and the replies to a message, on both sides.

mod chunking;
mod client;
mod pair;
mod server;
mod tls;
