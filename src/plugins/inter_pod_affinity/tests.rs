//! The rules of this room, as tables of input and expected answer.
