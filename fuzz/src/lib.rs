//! Where fuzzing enters Quorate.

pub mod entries;
