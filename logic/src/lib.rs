//! Every noun and every decision of PVC; contains no I/O, no clock, no thread and no randomness.
