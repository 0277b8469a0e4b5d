//! Tests against real clients and peers.
