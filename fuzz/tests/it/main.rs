//! Every input that was worth keeping goes through its target again.

#![allow(clippy::unwrap_used)]

use fuzzing::{TARGETS, corpus};

#[test]
fn every_kept_input_still_passes_its_target() {
    for (name, target) in TARGETS {
        let inputs = corpus::read(&corpus::file(name)).unwrap();
        assert!(inputs.len() >= 10, "{name} has {} inputs", inputs.len());
        for input in &inputs {
            target(input);
        }
    }
}

#[test]
fn every_target_passes_on_every_prefix_of_a_few_inputs() {
    for (name, target) in TARGETS {
        for input in corpus::read(&corpus::file(name)).unwrap().iter().step_by(17) {
            for end in 0..input.len() {
                target(&input[..end]);
            }
        }
    }
}
