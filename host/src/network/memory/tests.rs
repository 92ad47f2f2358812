//! What only a network in memory can be made to do: refuse, hang, lose an answer.
